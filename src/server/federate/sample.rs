//! What is federated, whatever its form.

use crate::model::{Labels, METRIC_NAME, Value};

/// A series' newest sample.
pub(super) struct Newest {
    pub(super) labels: Labels,
    pub(super) t: i64,
    pub(super) value: Value,
}

/// What the answers of this instance lack of its external labels. `instance` is written even when it is empty: else whoever
/// scrapes it would set its own.
pub(super) struct Lacking<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Lacking<'a> {
    pub(super) fn of(external: &'a Labels) -> Self {
        let mut all: Vec<(&str, &str)> = external.iter().collect();
        if !external.has("instance") {
            all.push(("instance", ""));
            all.sort_unstable();
        }
        Lacking(all)
    }

    /// A series' labels without its name and without empty ones, then what it lacks.
    pub(super) fn complete(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> {
        let own = labels.iter().filter(|(label, value)| *label != METRIC_NAME && !value.is_empty());
        own.chain(self.0.iter().copied().filter(|(label, _)| !labels.has(label)))
    }
}

/// A name with an underscore for everything that is no letter and no digit.
pub(super) fn escaped(name: &str) -> String {
    let plain = |(i, c): (usize, char)| match c {
        'a'..='z' | 'A'..='Z' | '_' | ':' => c,
        '0'..='9' if i > 0 => c,
        _ => '_',
    };
    name.chars().enumerate().map(plain).collect()
}
