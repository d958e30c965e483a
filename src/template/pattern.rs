//! Regular expressions in templates.

use super::func::Host;
use super::value::{CallError, Value};

/// A compiled expression; patterns come from templates, so their compiled size is bounded.
fn compile(source: &str) -> Result<regex::Regex, CallError> {
    crate::model::re2::compile(source).map_err(|e| {
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
    Ok(Value::from(pattern.replace_all(text(args, 2), text(args, 1)).into_owned()))
}
