//! Natural order of label values: runs of digits compare as numbers.

/// Whether `a` comes before `b`.
pub(super) fn before(a: &str, b: &str) -> bool {
    let (a, b) = (chunks(a), chunks(b));
    for (i, x) in a.iter().enumerate() {
        let Some(y) = b.get(i) else { return false };
        let equal = match (x.parse::<i64>(), y.parse::<i64>()) {
            (Ok(x), Ok(y)) if x != y => return x < y,
            (Ok(_), Ok(_)) => true,
            _ => x == y,
        };
        if !equal {
            return x < y;
        }
        if i + 1 == a.len() {
            return true;
        }
        if i + 1 == b.len() {
            return false;
        }
    }
    false
}

/// Runs of digits and runs of anything else.
fn chunks(s: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = s;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        out.push(run);
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        for (a, b, want) in [("a2", "a10", true), ("a10", "a2", false), ("1.9.0", "1.10.0", true), ("b", "a", false)] {
            assert_eq!(before(a, b), want, "{a} {b}");
        }
    }
}
