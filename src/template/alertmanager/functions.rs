//! The functions of Alertmanager's notification templates.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE as BASE64;

use crate::model::html_safe_json;
use crate::template::func::{Function, Host, Param};
use crate::template::prometheus::humanize;
use crate::template::value::{CallError, LONGEST_TEXT, SafeKind, Value, too_long};
use crate::template::{Time, case, escape, pattern};

type Out = Result<Value, CallError>;

/// All of them, ascending by name.
pub(super) static TABLE: [Function; 25] = [
    Function::variadic("append", &[Param::List], Param::Any, append),
    Function::fixed("base64decode", &[Param::Str], base64_decode),
    Function::fixed("base64encode", &[Param::Str], |_, a| Ok(Value::from(BASE64.encode(text(a, 0))))),
    Function::fixed("date", &[Param::Str, Param::Time], |_, a| with_time(a, 1, |t| Value::from(t.format(text(a, 0))))),
    Function::variadic("dict", &[], Param::Any, dict),
    Function::fixed("humanizeDuration", &[Param::Any], humanize_duration),
    Function::fixed("join", &[Param::Str, Param::Strings], join),
    Function::variadic("list", &[], Param::Any, |_, a| Ok(Value::list(a.to_vec()))),
    Function::fixed("match", &[Param::Str, Param::Str], pattern::matches),
    Function::fixed("mustToDate", &[Param::Str, Param::Str], |_, a| {
        Ok(Value::Time(Time::parse(text(a, 0), text(a, 1))?))
    }),
    Function::fixed("now", &[], |host, _| Ok(Value::Time(Time::from_millis(host.now())))),
    Function::fixed("reReplaceAll", &[Param::Str, Param::Str, Param::Str], pattern::replace_all),
    Function::fixed("routeLabels", &[Param::Str], |host, a| Ok(Value::from(host.route_label(text(a, 0))?))),
    Function::fixed("safeHtml", &[Param::Str], |_, a| Ok(Value::Safe(SafeKind::Html, Arc::from(text(a, 0))))),
    Function::fixed("safeUrl", &[Param::Str], |_, a| Ok(Value::Safe(SafeKind::Url, Arc::from(text(a, 0))))),
    Function::fixed("since", &[Param::Time], since),
    Function::variadic("stringSlice", &[], Param::Str, |_, a| Ok(Value::strings(a.iter().filter_map(Value::as_str)))),
    Function::fixed("title", &[Param::Str], |_, a| Ok(Value::from(title(text(a, 0))))),
    Function::fixed("toDate", &[Param::Str, Param::Str], |_, a| {
        Ok(Value::Time(Time::parse(text(a, 0), text(a, 1)).unwrap_or_else(|_| Time::zero())))
    }),
    Function::fixed("toJson", &[Param::Any], to_json),
    Function::fixed("toLower", &[Param::Str], |_, a| Ok(Value::from(case::lower(text(a, 0))))),
    Function::fixed("toUpper", &[Param::Str], |_, a| Ok(Value::from(case::upper(text(a, 0))))),
    Function::fixed("trimSpace", &[Param::Str], |_, a| Ok(Value::str(text(a, 0).trim()))),
    Function::fixed("tz", &[Param::Str, Param::Time], zone),
    Function::fixed("urlUnescape", &[Param::Str], |_, a| Ok(Value::from(escape::unquery(text(a, 0))?))),
];

fn text(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or("")
}

fn with_time(args: &[Value], index: usize, with: impl FnOnce(&Time) -> Value) -> Out {
    match args.get(index) {
        Some(Value::Time(t)) => Ok(with(t)),
        _ => Err(CallError::Type { index, want: "time.Time" }),
    }
}

fn append(_: &dyn Host, args: &[Value]) -> Out {
    let (list, more) = args.split_first().unwrap_or((&Value::Nil, &[]));
    Ok(Value::list(list.as_list().unwrap_or(&[]).iter().chain(more).cloned().collect()))
}

/// What was encoded for URLs, as text. Line ends do not count, as in Go.
fn base64_decode(_: &dyn Host, args: &[Value]) -> Out {
    let encoded: String = text(args, 0).chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64.decode(&encoded).map_err(|e| {
        let at = match e {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => encoded.len(),
        };
        CallError::failed(format!("illegal base64 data at input byte {at}"))
    })?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

fn dict(_: &dyn Host, args: &[Value]) -> Out {
    if args.len() % 2 == 1 {
        return Err("dict requires an even number of arguments".into());
    }
    let mut entries = Vec::with_capacity(args.len() / 2);
    for pair in args.chunks(2) {
        let [Value::Str(key), value] = pair else { return Err("dict keys must be strings".into()) };
        entries.push((key.clone(), value.clone()));
    }
    Ok(Value::map(entries))
}

fn humanize_duration(_: &dyn Host, args: &[Value]) -> Out {
    let seconds = humanize::to_float(args.first().unwrap_or(&Value::Nil))?;
    Ok(Value::from(humanize::duration(seconds)))
}

fn join(_: &dyn Host, args: &[Value]) -> Out {
    let items = args.get(1).and_then(Value::as_list).unwrap_or(&[]);
    let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    let separator = text(args, 0);
    let length = items.iter().fold(0, |sum: usize, item| sum.saturating_add(item.len() + separator.len()));
    if length > LONGEST_TEXT.saturating_add(separator.len()) {
        return Err(too_long());
    }
    Ok(Value::from(items.join(separator)))
}

fn since(host: &dyn Host, args: &[Value]) -> Out {
    let now = host.now();
    with_time(args, 0, |t| Value::Duration(now.saturating_sub(t.millis()).saturating_mul(1_000_000)))
}

fn zone(_: &dyn Host, args: &[Value]) -> Out {
    match args.get(1) {
        Some(Value::Time(t)) => Ok(Value::Time(t.in_zone(text(args, 0))?)),
        _ => Err(CallError::Type { index: 1, want: "time.Time" }),
    }
}

/// JSON as Go writes it: `<`, `>` and `&` are escaped, so that it may stand in HTML.
fn to_json(_: &dyn Host, args: &[Value]) -> Out {
    let json = super::data::to_json(args.first().unwrap_or(&Value::Nil))?.to_string();
    Ok(Value::from(html_safe_json(&json)))
}

/// Title case by words: the first letter of each in upper case, the others in lower case. An apostrophe, a point or a
/// colon between letters does not end a word.
fn title(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut in_word = false;
    let mut titled = false;
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        let joins = matches!(c, '\'' | '\u{2019}' | '.' | ':' | '\u{b7}')
            && in_word
            && chars.peek().is_some_and(|n| n.is_alphabetic());
        if c.is_alphanumeric() || c == '_' {
            in_word = true;
            let cased = c.is_lowercase() || c.is_uppercase();
            match (cased, titled) {
                (true, false) => out.extend(c.to_uppercase()),
                (true, true) => out.extend(c.to_lowercase()),
                _ => out.push(c),
            }
            titled |= cased;
        } else {
            out.push(c);
            if !joins {
                (in_word, titled) = (false, false);
            }
        }
    }
    out
}
