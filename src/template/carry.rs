//! Texts that alerts bring in, in templates that write markup: labels' values say what they say and are no markup,
//! whatever they look like. They keep that mark on their way through a template, while conditions and functions see the
//! text as it is; when they are written they are escaped for the place they land in ([`super::markup`]).
//!
//! What a function makes of such a text is foreign too. What it is printed into (`printf "*%s*" .Labels.job`) is the
//! template's own, around the escaped text. `safeHtml` and `safeUrl` take the mark away: the author vouches.

use std::sync::Arc;

use super::foreign::{Foreign, Form};
use super::func::{Function, Host};
use super::markup::Dialect;
use super::print;
use super::value::{CallError, List, SafeKind, Value};

impl Value {
    /// The key of this value in a map: as foreign as the value.
    pub(super) fn as_key(&self, key: Arc<str>) -> Value {
        match self {
            Value::Foreign(_) => Value::Foreign(Foreign { text: key, form: Form::Text }),
            _ => Value::Str(key),
        }
    }

    /// A foreign text.
    pub fn foreign(text: impl AsRef<str>) -> Value {
        Value::Foreign(Foreign::of(text))
    }

    /// A foreign link.
    pub fn foreign_url(text: impl AsRef<str>) -> Value {
        Value::Foreign(Foreign { text: Arc::from(text.as_ref()), form: Form::Url })
    }

    /// The text alone: functions see no marks.
    pub(super) fn unmarked(self) -> Value {
        match self {
            Value::Foreign(foreign) => Value::Str(foreign.text),
            other => other,
        }
    }
}

/// How many values inside a value are looked at; a larger one counts as foreign.
const MOST_LOOKED_AT: usize = 4096;

/// Whether a value has a foreign text in it. Structs and label sets do: they print their values.
pub(super) fn is_foreign(value: &Value) -> bool {
    let mut left = MOST_LOOKED_AT;
    has_foreign(value, &mut left)
}

/// Lists may hold one list many times, so what is looked at is counted.
fn has_foreign(value: &Value, left: &mut usize) -> bool {
    match left.checked_sub(1) {
        Some(fewer) => *left = fewer,
        None => return true,
    }
    match value {
        Value::Foreign(_) | Value::Object(_) => true,
        Value::List(list) => list.items.iter().any(|item| has_foreign(item, left)),
        Value::Map(map) => map.entries().iter().any(|(_, item)| has_foreign(item, left)),
        _ => false,
    }
}

/// Calls a function that is given foreign texts.
pub(super) fn call(
    dialect: Dialect,
    function: &Function,
    host: &dyn Host,
    values: Vec<Value>,
) -> Result<Value, CallError> {
    match function.name {
        // They hand on one of their arguments.
        "and" | "or" => return (function.body)(host, &values),
        "print" | "println" | "printf" | "join" => return compose(dialect, function, host, values),
        // What they put into a value keeps its mark; keys of a map are looked up by.
        "list" | "append" => return (function.body)(host, &values),
        "dict" => {
            let keys_plain = |(i, value): (usize, Value)| if i % 2 == 0 { value.unmarked() } else { value };
            let values: Vec<Value> = values.into_iter().enumerate().map(keys_plain).collect();
            return (function.body)(host, &values);
        }
        _ => {}
    }
    let marked = values.iter().any(|value| !matches!(value, Value::Object(_)) && is_foreign(value));
    let plain: Vec<Value> = values.into_iter().map(Value::unmarked).collect();
    let result = (function.body)(host, &plain)?;
    Ok(match function.name {
        // What is inside of a value has its own mark.
        "index" | "safeHtml" | "safeUrl" => result,
        "toJson" => mark(result),
        _ if marked => mark(result),
        _ => result,
    })
}

/// A text out of template's own texts and foreign ones: made twice, as it is and as it is written.
fn compose(dialect: Dialect, function: &Function, host: &dyn Host, values: Vec<Value>) -> Result<Value, CallError> {
    let is_join = function.name == "join";
    let written: Vec<Value> = values.iter().map(|value| written(dialect, value, is_join)).collect();
    let plain: Vec<Value> = values.into_iter().map(Value::unmarked).collect();
    let (text, written) = ((function.body)(host, &plain)?, (function.body)(host, &written)?);
    Ok(match (text.as_str(), written.as_str()) {
        (Some(text), Some(written)) => {
            Value::Foreign(Foreign { text: Arc::from(text), form: Form::Composed(Arc::from(written)) })
        }
        _ => text,
    })
}

/// A value with its foreign texts as they are written between markup.
fn written(dialect: Dialect, value: &Value, in_lists: bool) -> Value {
    match value {
        Value::Foreign(foreign) => Value::from(dialect.write(foreign)),
        Value::List(list) if in_lists => {
            let items = list.items.iter().map(|item| written(dialect, item, in_lists)).collect();
            Value::List(Arc::new(List::new(items, list.type_name)))
        }
        value if is_foreign(value) && value.as_int().is_none() => {
            Value::from(dialect.escape(&print::sprint_value(value)))
        }
        value => value.clone(),
    }
}

/// A string, or the strings of a list, as foreign.
pub(super) fn mark(value: Value) -> Value {
    match value {
        // Part of a URL, and nothing else is left in it.
        Value::Safe(SafeKind::EscapedQuery, _) => value,
        Value::Str(text) | Value::Safe(_, text) => Value::Foreign(Foreign { text, form: Form::Text }),
        Value::List(list) => {
            let strings = |item: &Value| if item.as_str().is_some() { mark(item.clone()) } else { item.clone() };
            Value::List(Arc::new(List::new(list.items.iter().map(strings).collect(), list.type_name)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::template::alertmanager::{AlertData, Data, Marks, Templates};
    use crate::template::markup::Dialect;
    use crate::template::{NoHost, Time, Value};

    fn data(marks: Marks) -> Value {
        let labels = Labels::from_pairs([("alertname", "*Hot*"), ("job", "_a_"), ("**n**", "x")]);
        let annotations = Labels::from_pairs([("summary", "*so* [hot](http://x/)")]);
        let alert = AlertData {
            status: "firing".into(),
            labels: labels.clone(),
            annotations: annotations.clone(),
            starts_at: Time::from_millis(0),
            ends_at: Time::zero(),
            generator_url: "http://prom/graph?g0.expr=up)&g0.tab=1".into(),
            fingerprint: "00".into(),
            value: Some(-1.5),
            resolved_value: None,
        };
        let data = Data {
            receiver: "_team_".into(),
            status: "firing".into(),
            alerts: vec![alert],
            notification_reason: String::new(),
            group_labels: labels.clone(),
            common_labels: labels,
            common_annotations: annotations,
            route_labels: Labels::empty(),
            external_url: "http://watchbell".into(),
        };
        data.into_marked(marks)
    }

    fn written(template: &str, marks: Marks) -> String {
        Templates::default().markup(template, &data(marks), &NoHost, Dialect::Markdown).unwrap()
    }

    #[test]
    fn labels_are_no_markup_on_whatever_way_they_are_written() {
        for (template, want) in [
            ("{{ .CommonLabels.alertname }}", "\\*Hot\\*"),
            ("**{{ .CommonLabels.job }}**", "**\\_a\\_**"),
            ("{{ .CommonAnnotations.summary }}", "*so* [hot](http://x/)"),
            ("{{ .Receiver }}", "\\_team\\_"),
            (
                "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}",
                "alertname=\\*Hot\\* \\*\\*n\\*\\*=x job=\\_a\\_ ",
            ),
            (
                "{{ range $n, $v := .CommonLabels }}{{ $n }}={{ $v }} {{ end }}",
                "\\*\\*n\\*\\*=x alertname=\\*Hot\\* job=\\_a\\_ ",
            ),
            ("{{ .CommonLabels.SortedPairs.Values | join \" \" }}", "\\*Hot\\* x \\_a\\_"),
            ("{{ join \" *and* \" .CommonLabels.SortedPairs.Values }}", "\\*Hot\\* *and* x *and* \\_a\\_"),
            ("{{ printf \"*%s*\" .CommonLabels.job }}", "*\\_a\\_*"),
            (
                "{{ printf \"[%s](%s)\" .CommonLabels.job (index .Alerts 0).GeneratorURL }}",
                "[\\_a\\_](http://prom/graph?g0.expr=up%29&g0.tab=1)",
            ),
            ("{{ .CommonLabels.job | toUpper }}", "\\_A\\_"),
            (
                "{{ index .CommonLabels \"job\" }} {{ index .CommonAnnotations \"summary\" }}",
                "\\_a\\_ *so* [hot](http://x/)",
            ),
            ("{{ or .CommonAnnotations.summary .CommonLabels.job }}", "*so* [hot](http://x/)"),
            ("{{ if eq .CommonLabels.job \"_a_\" }}same{{ end }}", "same"),
            ("{{ if eq (printf \"%s!\" .CommonLabels.job) \"_a_!\" }}same{{ end }}", "same"),
            ("{{ if match \"^_\" .CommonLabels.job }}matches{{ end }}", "matches"),
            ("{{ (index .Alerts 0).GeneratorURL }}", "http://prom/graph?g0.expr=up%29&g0.tab=1"),
            ("[q](http://x/?q={{ .CommonLabels.alertname | urlquery }})", "[q](http://x/?q=%2AHot%2A)"),
            ("`{{ .CommonLabels.job }}`", "`_a_`"),
            ("{{ .CommonLabels.alertname | safeHtml }}", "*Hot*"),
            ("{{ stringSlice .CommonLabels.job | join \"\" }}", "\\_a\\_"),
            ("{{ with $x := .CommonLabels.job }}{{ $x }}{{ end }}", "\\_a\\_"),
            ("{{ reReplaceAll \"a\" \"*$0*\" .CommonLabels.job }}", "\\_\\*a\\*\\_"),
            ("{{ reReplaceAll \"so\" \"_${0}_\" .CommonAnnotations.summary }}", "*_so_* [hot](http://x/)"),
            ("{{ (.CommonLabels.Remove (stringSlice \"job\" \"**n**\")).Values }}", "\\[\\*Hot\\*\\]"),
            ("{{ .CommonLabels.SortedPairs }}", "alertname=\\*Hot\\*, \\*\\*n\\*\\*=x, job=\\_a\\_"),
            ("{{ (index .Alerts 0).Value }}", "-1.5"),
            (
                "{{ range list .CommonLabels.job .CommonAnnotations.summary }}{{ . }} {{ end }}",
                "\\_a\\_ *so* [hot](http://x/) ",
            ),
            ("{{ (dict \"k\" .CommonLabels.job).k }}", "\\_a\\_"),
            ("{{ dict \"k\" .CommonLabels.job | toJson }}", "{\"k\":\"\\_a\\_\"}"),
        ] {
            assert_eq!(written(template, Marks::Labels), want, "{template}");
        }
        assert_eq!(written("{{ .CommonAnnotations.summary }}", Marks::All), "\\*so\\* \\[hot\\](http\\://x/)");
        assert_eq!(written("{{ .CommonLabels.job }}", Marks::None), "_a_");
    }

    #[test]
    fn lists_of_lists_of_lists_are_not_looked_through_for_ever() {
        let wide = "{{ $a := list 1 }}{{ range 30 }}{{ $a = list $a $a $a $a $a }}{{ end }}{{ if $a }}there{{ end }}";
        assert_eq!(written(wide, Marks::Labels), "there");
    }
}
