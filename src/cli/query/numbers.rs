//! Numbers for people.

/// A count with a separator between thousands: `1,234,567`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 series`, `3 points`: the noun takes an `s` where there is not one; series is its own plural.
pub(super) fn counted(n: u64, noun: &str) -> String {
    let plural = if n == 1 || noun.ends_with('s') { "" } else { "s" };
    format!("{} {noun}{plural}", count(n))
}

/// Numbers one below the other by their decimal points.
pub(super) fn at_the_point(numbers: &[String]) -> Vec<String> {
    let parts: Vec<(&str, &str)> = numbers.iter().map(|n| n.split_at(n.find('.').unwrap_or(n.len()))).collect();
    let before = parts.iter().map(|(whole, _)| whole.len()).max().unwrap_or(0);
    let after = parts.iter().map(|(_, rest)| rest.len()).max().unwrap_or(0);
    parts.iter().map(|(whole, rest)| format!("{whole:>before$}{rest:<after$}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (n, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), want);
        }
        assert_eq!(counted(1, "point"), "1 point");
        assert_eq!(counted(2, "series"), "2 series");
    }

    #[test]
    fn points_stand_below_each_other() {
        let got = at_the_point(&["1.5".into(), "-12".into(), "NaN".into(), "0.125".into()]);
        assert_eq!(got, ["  1.5  ", "-12    ", "NaN    ", "  0.125"]);
    }
}
