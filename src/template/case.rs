//! Upper and lower case as Go has them: one character for one. `ß` has no upper case of one character and stays.

/// The text in upper case.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

/// The text in lower case. No letter is different at a word's end.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

fn upper_char(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        // Greek letters with an iota below have one with an iota beside.
        _ => match u32::from(c) {
            code @ (0x1f80..=0x1f87 | 0x1f90..=0x1f97 | 0x1fa0..=0x1fa7) => char::from_u32(code + 8).unwrap_or(c),
            code @ (0x1fb3 | 0x1fc3 | 0x1ff3) => char::from_u32(code + 9).unwrap_or(c),
            _ => c,
        },
    }
}

fn lower_char(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        // The capital I with a dot above.
        (Some(first), Some(_)) => first,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_becomes_one() {
        assert_eq!(upper("straße ŉ ᾳ ᾀ ﬁ é"), "STRAßE ŉ ᾼ ᾈ ﬁ É");
        assert_eq!(lower("ΣΑΣ İ É"), "σασ i é");
    }
}
