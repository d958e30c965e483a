//! From the text of a series to its labels: done once for each series a target exposes.

use std::borrow::Cow;

use super::cursor::{Cursor, in_label_name, in_metric_name, starts_label_name, starts_metric_name};
use super::event::{ParseError, ParseOptions};
use super::number::format_openmetrics_float;
use crate::model::{BUCKET_LABEL, Labels, METRIC_NAME, QUANTILE_LABEL, number};
use crate::tsdb::MetricType;

/// What the labels of a series depend on beside its text.
pub(super) struct SeriesContext<'a> {
    pub kind: MetricType,
    pub unit: &'a str,
    pub options: ParseOptions,
    /// Whether blanks are allowed between labels (the text format; not OpenMetrics).
    pub blanks: bool,
}

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads the labels of the series text from `start` to `end` of the body that a cursor is in, sorted, empty values left out.
pub(super) fn labels(
    before: &Cursor<'_>,
    start: usize,
    end: usize,
    cx: &SeriesContext<'_>,
) -> Result<Labels, ParseError> {
    let mut c = Cursor { body: before.body.get(..end).unwrap_or_default(), at: start, lines: before.lines };
    let mut pairs: Pairs<'_> = Vec::with_capacity(12);
    if c.peek().is_some_and(starts_metric_name) {
        let name = c.take_while(in_metric_name);
        pairs.push((METRIC_NAME.into(), utf8(&c, start, name)?));
    }
    if cx.blanks {
        c.skip_blanks();
    }
    if c.eat(b"{") {
        read_braces(&mut c, &mut pairs, cx)?;
    }
    if c.at != end {
        return Err(c.error("the end of the series"));
    }
    if cx.options.type_and_unit_labels {
        add_type_and_unit(&mut pairs, cx);
    }
    sorted(&c, start, pairs)
}

fn add_type_and_unit(pairs: &mut Pairs<'_>, cx: &SeriesContext<'_>) {
    pairs.retain(|(n, _)| n != "__type__" && n != "__unit__");
    if cx.kind != MetricType::Unknown {
        pairs.push(("__type__".into(), cx.kind.as_str().into()));
    }
    pairs.push(("__unit__".into(), cx.unit.to_owned().into()));
}

fn sorted(c: &Cursor<'_>, start: usize, mut pairs: Pairs<'_>) -> Result<Labels, ParseError> {
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some([(name, _), _]) = pairs.array_windows::<2>().find(|[a, b]| a.0 == b.0) {
        let what = if name == METRIC_NAME { "one metric name".into() } else { format!("label {name:?} once") };
        return Err(c.error_at(start, what));
    }
    Ok(Labels::from_sorted(pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.as_ref(), v.as_ref()))))
}

/// Reads the labels after an opening brace, up to and with the closing one.
fn read_braces<'a>(c: &mut Cursor<'a>, pairs: &mut Pairs<'a>, cx: &SeriesContext<'_>) -> Result<(), ParseError> {
    let blanks = |c: &mut Cursor<'_>| cx.blanks && c.skip_blanks();
    loop {
        blanks(c);
        if c.eat(b"}") {
            return Ok(());
        }
        let name_at = c.at;
        let (name, quoted) = read_label_name(c)?;
        blanks(c);
        if c.eat(b"=") {
            blanks(c);
            let value = read_value(c, "a label value in quotes")?;
            pairs.push((name.clone(), normalized(&name, value, cx.kind)));
        } else if quoted {
            // `{"metric name", ...}`: the UTF-8 form of a metric's name.
            pairs.push((METRIC_NAME.into(), name));
        } else {
            return Err(c.error_at(name_at.max(c.at), "'=' after a label name"));
        }
        blanks(c);
        if !c.eat(b",") && c.peek() != Some(b'}') {
            return Err(c.error("',' or '}' after a label"));
        }
    }
}

fn read_label_name<'a>(c: &mut Cursor<'a>) -> Result<(Cow<'a, str>, bool), ParseError> {
    match c.peek() {
        Some(b'"') => Ok((read_value(c, "a name in quotes")?, true)),
        Some(b) if starts_label_name(b) => {
            let at = c.at;
            let name = c.take_while(in_label_name);
            Ok((utf8(c, at, name)?, false))
        }
        _ => Err(c.error("a label name")),
    }
}

fn read_value<'a>(c: &mut Cursor<'a>, what: &'static str) -> Result<Cow<'a, str>, ParseError> {
    if c.peek() != Some(b'"') {
        return Err(c.error(what));
    }
    let at = c.at + 1;
    let quoted = c.take_quoted().ok_or_else(|| c.error("a string with a closing quote"))?;
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    Ok(unescape(utf8(c, at, inner)?, true))
}

fn utf8<'a>(c: &Cursor<'_>, at: usize, bytes: &'a [u8]) -> Result<Cow<'a, str>, ParseError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|e| c.error_at(at + e.valid_up_to(), "valid UTF-8"))
}

/// Replaces `\\`, `\n` and, with `quotes`, `\"`. Other backslashes stay as they are.
pub(super) fn unescape(s: Cow<'_, str>, quotes: bool) -> Cow<'_, str> {
    if !s.contains('\\') {
        return s;
    }
    let mut out = String::with_capacity(s.len());
    let mut chars = s.chars();
    while let Some(ch) = chars.next() {
        let replaced = match (ch, chars.as_str().chars().next()) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('n')) => '\n',
            ('\\', Some('"')) if quotes => '"',
            _ => {
                out.push(ch);
                continue;
            }
        };
        out.push(replaced);
        chars.next();
    }
    Cow::Owned(out)
}

/// The value in the one form that Prometheus stores: `le` of histograms and `quantile` of summaries as OpenMetrics
/// writes floats, so that `le="1"` and `le="1.0"` are one series.
fn normalized<'a>(name: &str, value: Cow<'a, str>, kind: MetricType) -> Cow<'a, str> {
    let applies = match kind {
        MetricType::Histogram | MetricType::GaugeHistogram => name == BUCKET_LABEL,
        MetricType::Summary => name == QUANTILE_LABEL,
        _ => false,
    };
    match number::parse_float(&value) {
        Some(v) if applies => Cow::Owned(format_openmetrics_float(v)),
        _ => value,
    }
}
