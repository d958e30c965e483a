//! Regular expressions in templates.

use super::func::Host;
use super::value::{CallError, LONGEST_TEXT, Value, too_long};

/// A compiled expression; patterns come from templates, so their compiled size is bounded, and they come again.
fn compile(source: &str) -> Result<regex::Regex, CallError> {
    crate::model::re2::compile_remembered(source).map_err(|e| {
        // The crate draws a picture of the pattern; its last line says what is wrong.
        let cause = e.lines().last().unwrap_or("").trim_start_matches("error: ");
        // What Go would say quotes what it is about.
        let about = if cause.ends_with('`') { String::new() } else { format!(": `{source}`") };
        CallError::failed(format!("error parsing regexp: {cause}{about}"))
    })
}

fn text(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or("")
}

/// `match PATTERN TEXT`: whether the pattern matches anywhere.
pub(super) fn matches(_: &dyn Host, args: &[Value]) -> Result<Value, CallError> {
    Ok(Value::Bool(compile(text(args, 0))?.is_match(text(args, 1))))
}

/// `reReplaceAll PATTERN REPLACEMENT TEXT`.
pub(super) fn replace_all(_: &dyn Host, args: &[Value]) -> Result<Value, CallError> {
    let source = text(args, 0);
    let pattern = compile(source).map_err(|e| match e {
        CallError::Failed(text) => CallError::Failed(format!("regexp: Compile(`{source}`): {text}")),
        other => other,
    })?;
    let (replacement, text) = (text(args, 1), text(args, 2));
    let references = replacement.bytes().filter(|b| *b == b'$').count();
    let mut out = String::new();
    let mut from = 0;
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(from..whole.start()).unwrap_or(""));
        // A group that is named many times makes much of a little.
        let most = references.saturating_mul(whole.len()).saturating_add(replacement.len());
        if out.len().saturating_add(most) > LONGEST_TEXT {
            return Err(too_long());
        }
        found.expand(replacement, &mut out);
        from = whole.end();
    }
    out.push_str(text.get(from..).unwrap_or(""));
    Ok(Value::from(out))
}
