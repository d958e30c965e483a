//! The text form, which has none for native histograms: they are left out.

use std::fmt::Write as _;

use crate::model::labels::{is_legacy_label_name, is_legacy_metric_name, push_quoted};
use crate::model::number::push_float;

use super::sample::{Lacking, Newest, escaped};

/// The samples as text. Who does not say that it reads any name gets names escaped.
pub(super) fn write(samples: &[Newest], lacking: &Lacking<'_>, any_names: bool) -> String {
    let (mut out, mut family) = (String::new(), "");
    for Newest { labels, t, value } in samples {
        let Some(value) = value.as_float() else { continue };
        let name = labels.metric_name();
        if name != family {
            family = name;
            out.push_str("# TYPE ");
            push_name(&mut out, name, is_legacy_metric_name(name), any_names);
            out.push_str(" untyped\n");
        }
        let is_plain = is_legacy_metric_name(name) || !any_names;
        if is_plain {
            push_name(&mut out, name, is_legacy_metric_name(name), any_names);
        }
        let (mut separator, mut any) = ('{', false);
        if !is_plain {
            out.push('{');
            push_quoted(&mut out, name);
            (separator, any) = (',', true);
        }
        for (label, value) in lacking.complete(labels) {
            out.push(separator);
            push_name(&mut out, label, is_legacy_label_name(label), any_names);
            out.push('=');
            push_quoted(&mut out, value);
            (separator, any) = (',', true);
        }
        out.push_str(if any { "} " } else { " " });
        push_float(&mut out, value);
        let _ = writeln!(out, " {t}");
    }
    out
}

fn push_name(out: &mut String, name: &str, is_plain: bool, any_names: bool) {
    match (is_plain, any_names) {
        (true, _) => out.push_str(name),
        (false, true) => push_quoted(out, name),
        (false, false) => out.push_str(&escaped(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Labels, Value};

    #[test]
    fn samples_are_written_with_what_they_lack() {
        let sample = |pairs: &[(&str, &str)], value| Newest {
            labels: Labels::from_pairs(pairs.to_vec()),
            t: 7,
            value: Value::Float(value),
        };
        let samples = [
            sample(&[("__name__", "up"), ("job", "a"), ("instance", "x")], 1.0),
            sample(&[("__name__", "up"), ("zone", "own")], f64::INFINITY),
            sample(&[("__name__", "x.y"), ("b c", "\"")], 0.5),
        ];
        let external = Labels::from_pairs([("zone", "eu")]);
        let want = "# TYPE up untyped\nup{instance=\"x\",job=\"a\",zone=\"eu\"} 1 7\nup{zone=\"own\",instance=\"\"} +Inf 7\n\
            # TYPE \"x.y\" untyped\n{\"x.y\",\"b c\"=\"\\\"\",instance=\"\",zone=\"eu\"} 0.5 7\n";
        assert_eq!(write(&samples, &Lacking::of(&external), true), want);
        let escaped = write(&samples, &Lacking::of(&external), false);
        assert!(escaped.contains("\nx_y{b_c=\"\\\"\","), "{escaped}");
    }
}
