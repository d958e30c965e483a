//! The functions of Prometheus' template reference.

use std::sync::Arc;

use super::humanize;
use super::sample::{Sample, sample_value};
use crate::template::func::{Function, Host, Param};
use crate::template::value::{CallError, List, SafeKind, Value};
use crate::template::{case, escape, pattern, time::Time};

type Out = Result<Value, CallError>;

/// All of them, ascending by name.
pub(super) static TABLE: [Function; 29] = [
    Function::variadic("args", &[], Param::Any, args),
    Function::fixed("externalURL", &[], |host, _| Ok(Value::str(host.external_url()))),
    Function::fixed("first", &[Param::Samples], first),
    Function::fixed("graphLink", &[Param::Str], |_, a| Ok(graph_link(a, 0))),
    Function::fixed("humanize", &[Param::Any], |_, a| human(a, humanize::metric)),
    Function::fixed("humanize1024", &[Param::Any], |_, a| human(a, humanize::binary)),
    Function::fixed("humanizeDuration", &[Param::Any], |_, a| human(a, humanize::duration)),
    Function::fixed("humanizePercentage", &[Param::Any], |_, a| human(a, humanize::percentage)),
    Function::fixed("humanizeTimestamp", &[Param::Any], humanize_timestamp),
    Function::fixed("label", &[Param::Str, Param::Sample], label),
    Function::fixed("match", &[Param::Str, Param::Str], pattern::matches),
    Function::fixed("now", &[], |host, _| Ok(Value::Float(host.now() as f64 / 1000.0))),
    Function::fixed("parseDuration", &[Param::Str], parse_duration),
    Function::fixed("pathPrefix", &[], path_prefix),
    Function::fixed("query", &[Param::Str], query),
    Function::fixed("reReplaceAll", &[Param::Str, Param::Str, Param::Str], pattern::replace_all),
    Function::fixed("safeHtml", &[Param::Str], |_, a| Ok(Value::Safe(SafeKind::Html, Arc::from(text(a, 0))))),
    Function::fixed("sortByLabel", &[Param::Str, Param::Samples], sort_by_label),
    Function::fixed("stripDomain", &[Param::Str], |_, a| Ok(Value::from(strip_domain(text(a, 0))))),
    Function::fixed("stripPort", &[Param::Str], |_, a| Ok(Value::str(strip_port(text(a, 0))))),
    Function::fixed("strvalue", &[Param::Sample], |_, a| Ok(sample_label(a.first(), "__value__"))),
    Function::fixed("tableLink", &[Param::Str], |_, a| Ok(graph_link(a, 1))),
    Function::fixed("title", &[Param::Str], |_, a| Ok(Value::from(title(text(a, 0))))),
    Function::fixed("toDuration", &[Param::Any], to_duration),
    Function::fixed("toLower", &[Param::Str], |_, a| Ok(Value::from(case::lower(text(a, 0))))),
    Function::fixed("toTime", &[Param::Any], to_time),
    Function::fixed("toUpper", &[Param::Str], |_, a| Ok(Value::from(case::upper(text(a, 0))))),
    Function::fixed("urlQueryEscape", &[Param::Str], |_, a| Ok(Value::from(escape::query(text(a, 0))))),
    Function::fixed("value", &[Param::Sample], value),
];

fn text(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or("")
}

fn human(args: &[Value], write: fn(f64) -> String) -> Out {
    let number = humanize::to_float(args.first().unwrap_or(&Value::Nil))?;
    Ok(Value::from(write(number)))
}

fn args(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::map(args.iter().enumerate().map(|(i, v)| (format!("arg{i}"), v.clone()))))
}

fn query(host: &dyn Host, args: &[Value]) -> Out {
    let vector = host.query(text(args, 0))?;
    let items = vector.into_iter().map(|s| Value::object(Sample { value: sample_value(&s.value), labels: s.labels }));
    Ok(samples(items.collect()))
}

fn samples(items: Vec<Value>) -> Value {
    Value::List(Arc::new(List::new(items, Param::Samples.name())))
}

fn first(_: &dyn Host, args: &[Value]) -> Out {
    let vector = args.first().and_then(Value::as_list).unwrap_or(&[]);
    vector.first().cloned().ok_or_else(|| "first() called on vector with no elements".into())
}

/// A label of a sample, empty when absent.
fn sample_label(sample: Option<&Value>, name: &str) -> Value {
    let labels = match sample {
        Some(Value::Object(o)) => o.field("Labels"),
        _ => None,
    };
    labels.as_ref().and_then(Value::as_map).and_then(|m| m.get(name)).unwrap_or_else(|| Value::str(""))
}

fn label(_: &dyn Host, args: &[Value]) -> Out {
    match args.get(1) {
        Some(Value::Nil) | None => Err("runtime error: invalid memory address or nil pointer dereference".into()),
        sample => Ok(sample_label(sample, text(args, 0))),
    }
}

fn value(_: &dyn Host, args: &[Value]) -> Out {
    match args.first() {
        Some(Value::Object(o)) => Ok(o.field("Value").unwrap_or(Value::Nil)),
        _ => Err("runtime error: invalid memory address or nil pointer dereference".into()),
    }
}

fn sort_by_label(_: &dyn Host, args: &[Value]) -> Out {
    let name = text(args, 0);
    let mut items = args.get(1).and_then(Value::as_list).unwrap_or(&[]).to_vec();
    let key = |v: &Value| sample_label(Some(v), name).as_str().unwrap_or("").to_owned();
    items.sort_by_cached_key(key);
    Ok(samples(items))
}

fn graph_link(args: &[Value], tab: u8) -> Value {
    Value::from(format!("/graph?g0.expr={}&g0.tab={tab}", escape::query(text(args, 0))))
}

fn path_prefix(host: &dyn Host, _: &[Value]) -> Out {
    let path = url::Url::parse(host.external_url()).map(|u| u.path().to_owned()).unwrap_or_default();
    // A URL without a path has none; the parser writes the root's.
    let written = host.external_url().trim_end().ends_with('/') || path != "/";
    Ok(Value::from(if written { path } else { String::new() }))
}

/// Each word's first letter in upper case, as Go's `strings.Title`.
fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut inside_word = false;
    for c in s.chars() {
        if inside_word {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        // Letters, digits and underscores make words; beyond ASCII, all but spaces do.
        let is_word = c.is_alphanumeric() || c == '_';
        inside_word = if c.is_ascii() { is_word } else { is_word || !c.is_whitespace() };
    }
    out
}

fn parse_duration(_: &dyn Host, args: &[Value]) -> Out {
    let millis = crate::model::duration::parse(text(args, 0))?;
    Ok(Value::Float(millis as f64 / 1000.0))
}

fn finite(args: &[Value]) -> Result<Option<f64>, CallError> {
    let number = humanize::to_float(args.first().unwrap_or(&Value::Nil))?;
    Ok(number.is_finite().then_some(number))
}

/// Seconds since the epoch as a time, cut to milliseconds.
fn time_of(seconds: f64) -> Result<Time, CallError> {
    let nanos = seconds * 1e9;
    if !(i64::MIN as f64..=i64::MAX as f64).contains(&nanos) {
        let shown = crate::model::number::format_float_g(seconds);
        return Err(format!("{shown} cannot be represented as a nanoseconds timestamp since it overflows int64").into());
    }
    Ok(Time::from_millis((nanos as i64) / 1_000_000))
}

fn humanize_timestamp(_: &dyn Host, args: &[Value]) -> Out {
    match finite(args)? {
        Some(seconds) => Ok(Value::from(time_of(seconds)?.to_string())),
        None => human(args, humanize::plain),
    }
}

fn to_time(_: &dyn Host, args: &[Value]) -> Out {
    match finite(args)? {
        Some(seconds) => Ok(Value::Time(time_of(seconds)?)),
        None => Err("value is NaN or Inf".into()),
    }
}

fn to_duration(_: &dyn Host, args: &[Value]) -> Out {
    match finite(args)? {
        Some(seconds) if (seconds * 1e9).abs() < i64::MAX as f64 => Ok(Value::Duration((seconds * 1e9) as i64)),
        Some(seconds) => {
            let shown = crate::model::number::format_float_g(seconds);
            Err(format!("{shown} cannot be represented as a duration since it overflows int64").into())
        }
        None => Err("value is NaN or Inf".into()),
    }
}

/// Host and port apart, as Go's `net.SplitHostPort`; `None` when there is no port or the form is not one.
fn split_host_port(s: &str) -> Option<(&str, &str)> {
    if let Some(inner) = s.strip_prefix('[') {
        let (host, rest) = inner.split_once(']')?;
        return Some((host, rest.strip_prefix(':').filter(|p| !p.contains(':'))?));
    }
    let (host, port) = s.rsplit_once(':')?;
    (!host.contains([':', '[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

fn strip_port(s: &str) -> &str {
    split_host_port(s).map_or(s, |(host, _)| host)
}

fn strip_domain(s: &str) -> String {
    let (host, port) = split_host_port(s).unwrap_or((s, ""));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return s.to_owned();
    }
    let name = host.split('.').next().unwrap_or("");
    match (port.is_empty(), name.contains(':')) {
        (true, _) => name.to_owned(),
        (false, true) => format!("[{name}]:{port}"),
        (false, false) => format!("{name}:{port}"),
    }
}
