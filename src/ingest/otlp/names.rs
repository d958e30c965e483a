//! OpenTelemetry's names of metrics and attributes as Prometheus' names, by the strategies that Prometheus has for it.

use std::borrow::Cow;

/// What becomes of names: Prometheus' `translation_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TranslationStrategy {
    /// What is not a letter, a digit or an underscore becomes an underscore; units and `_total` are appended.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// The same without units and `_total`.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay; units and `_total` are appended.
    NoUtf8EscapingWithSuffixes,
    /// Names stay.
    NoTranslation,
}

impl TranslationStrategy {
    /// All, by Prometheus' names.
    pub const ALL: [(&str, TranslationStrategy); 4] = [
        ("UnderscoreEscapingWithSuffixes", TranslationStrategy::UnderscoreEscapingWithSuffixes),
        ("UnderscoreEscapingWithoutSuffixes", TranslationStrategy::UnderscoreEscapingWithoutSuffixes),
        ("NoUTF8EscapingWithSuffixes", TranslationStrategy::NoUtf8EscapingWithSuffixes),
        ("NoTranslation", TranslationStrategy::NoTranslation),
    ];

    /// Whether names are escaped.
    pub fn escapes(self) -> bool {
        use TranslationStrategy::*;
        matches!(self, UnderscoreEscapingWithSuffixes | UnderscoreEscapingWithoutSuffixes)
    }

    fn appends(self) -> bool {
        use TranslationStrategy::*;
        matches!(self, UnderscoreEscapingWithSuffixes | NoUtf8EscapingWithSuffixes)
    }
}

/// What a metric is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A sum that only grows.
    Counter,
    /// A value of the moment.
    Gauge,
    /// Anything else.
    Other,
}

/// Units by the codes of UCUM.
const UNITS: [(&str, &str); 26] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

/// What comes behind `per`.
const PER: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// Words of a unit such as `By/s`: of what, and per what; empty where it says nothing, or only how it is meant (`{requests}`).
fn unit_words(unit: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let word = |part: &str, known: &[(&'static str, &'static str)]| -> String {
        let part = part.trim();
        if part.contains(['{', '}']) {
            return String::new();
        }
        let long = known.iter().find(|(code, _)| *code == part).map_or(part, |(_, long)| *long);
        escaped_word(long)
    };
    let (of, per) = unit.split_once('/').unwrap_or((unit, ""));
    (word(of, &UNITS).into(), word(per, &PER).into())
}

/// A word of letters, digits and single underscores.
fn escaped_word(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join("_")
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':').filter(|t| !t.is_empty())
}

/// The name of a metric.
pub fn metric_name(name: &str, unit: &str, shape: Shape, strategy: TranslationStrategy) -> String {
    if !strategy.escapes() {
        return if strategy.appends() { with_suffixes(name, unit, shape) } else { name.to_owned() };
    }
    let mut words: Vec<Cow<'_, str>> = tokens(name).map(Cow::Borrowed).collect();
    if strategy.appends() {
        let (of, per) = unit_words(unit);
        let is_there = |words: &[Cow<'_, str>], word: &str| word.is_empty() || words.iter().any(|w| *w == word);
        let per = if is_there(&words, &per) { None } else { Some(per) };
        if !is_there(&words, &of) {
            words.push(of);
        }
        words.extend(per.into_iter().flat_map(|per| ["per".into(), per]));
        let last = match shape {
            Shape::Counter => Some("total"),
            Shape::Gauge if unit == "1" => Some("ratio"),
            _ => None,
        };
        if let Some(last) = last {
            words.retain(|w| *w != last);
            words.push(last.into());
        }
    }
    let name = words.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// A name as it is, with what it lacks of unit and kind behind it.
fn with_suffixes(name: &str, unit: &str, shape: Shape) -> String {
    let mut name = name.to_owned();
    let last = match shape {
        Shape::Counter => "_total",
        Shape::Gauge if unit == "1" => "_ratio",
        _ => "",
    };
    if let Some(shorter) = name.strip_suffix(last).filter(|_| !last.is_empty()) {
        name = shorter.to_owned();
    }
    let (of, per) = unit_words(unit);
    if !of.is_empty() && !name.ends_with(&*of) {
        name = format!("{name}_{of}");
    }
    if !per.is_empty() && !name.ends_with(&*per) {
        name = format!("{name}_per_{per}");
    }
    name + last
}

/// How the names of attributes become those of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelNames {
    /// Whether they are escaped at all.
    pub escapes: bool,
    /// Whether one that begins with an underscore gets `key` in front of it.
    pub underscore_sanitization: bool,
    /// Whether several underscores stay several.
    pub preserve_multiple_underscores: bool,
}

/// The name of a label.
pub fn label_name(attribute: &str, how: LabelNames) -> Cow<'_, str> {
    if !how.escapes || attribute.is_empty() {
        return attribute.into();
    }
    let mut name = String::with_capacity(attribute.len() + 4);
    for c in attribute.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || how.preserve_multiple_underscores || !name.ends_with('_') {
            name.push(c);
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "key_");
    } else if how.underscore_sanitization && name.starts_with('_') && !name.starts_with("__") {
        name.insert_str(0, "key");
    }
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_by_prometheus() {
        use Shape::*;
        use TranslationStrategy::*;
        for (name, unit, shape, strategy, wanted) in [
            ("http.server.duration", "s", Other, UnderscoreEscapingWithSuffixes, "http_server_duration_seconds"),
            ("requests", "{request}", Counter, UnderscoreEscapingWithSuffixes, "requests_total"),
            ("requests.total", "1", Counter, UnderscoreEscapingWithSuffixes, "requests_total"),
            ("disk.io", "By/s", Gauge, UnderscoreEscapingWithSuffixes, "disk_io_bytes_per_second"),
            ("cpu.utilization", "1", Gauge, UnderscoreEscapingWithSuffixes, "cpu_utilization_ratio"),
            ("memory.bytes", "By", Gauge, UnderscoreEscapingWithSuffixes, "memory_bytes"),
            ("2xx..count", "", Gauge, UnderscoreEscapingWithSuffixes, "_2xx_count"),
            ("queue.size", "widgets", Gauge, UnderscoreEscapingWithSuffixes, "queue_size_widgets"),
            ("http.server.duration", "s", Other, UnderscoreEscapingWithoutSuffixes, "http_server_duration"),
            ("requests", "1", Counter, UnderscoreEscapingWithoutSuffixes, "requests"),
            ("http.requests", "By", Counter, NoUtf8EscapingWithSuffixes, "http.requests_bytes_total"),
            ("http.requests", "By", Counter, NoTranslation, "http.requests"),
        ] {
            assert_eq!(metric_name(name, unit, shape, strategy), wanted, "{name} {unit} {strategy:?}");
        }
    }

    #[test]
    fn labels_are_named_as_by_prometheus() {
        let plain = LabelNames { escapes: true, underscore_sanitization: true, preserve_multiple_underscores: false };
        for (name, how, wanted) in [
            ("k8s.pod.name", plain, "k8s_pod_name"),
            ("a..b", plain, "a_b"),
            ("a..b", LabelNames { preserve_multiple_underscores: true, ..plain }, "a__b"),
            ("3d", plain, "key_3d"),
            ("_x", plain, "key_x"),
            ("_x", LabelNames { underscore_sanitization: false, ..plain }, "_x"),
            ("größe", plain, "gr_e"),
            ("k8s.pod.name", LabelNames { escapes: false, ..plain }, "k8s.pod.name"),
        ] {
            assert_eq!(label_name(name, how), wanted, "{name}");
        }
    }
}
