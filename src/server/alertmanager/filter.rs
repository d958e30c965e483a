//! Which alerts or silences a request wants.

use crate::model::{MatchOp, Matcher};
use crate::server::api::Params;

use super::answer::Refusal;

/// Reads the `filter` parameters: one matcher each, such as `severity="page"` or `team=~db|web`.
pub(super) fn matchers(params: &Params) -> Result<Vec<Matcher>, Refusal> {
    let read = |s: &str| matcher(s).map_err(|e| Refusal::bad(format!("bad matcher format: {e}: {s}")));
    params.all("filter").filter(|s| !s.trim().is_empty()).map(read).collect()
}

/// Reads one matcher; the value may stand in quotes.
fn matcher(text: &str) -> Result<Matcher, String> {
    let text = text.trim();
    let at = text.find(['=', '!']).ok_or("no operator")?;
    let (name, rest) = text.split_at(at);
    let operators =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let (value, op) = operators
        .into_iter()
        .find_map(|(token, op)| rest.strip_prefix(token).map(|value| (value.trim(), op)))
        .ok_or("no operator")?;
    let name = unquote(name.trim())?;
    if name.is_empty() {
        return Err("no label name".into());
    }
    Matcher::new(op, name, unquote(value)?).map_err(|e| e.to_string())
}

fn unquote(text: &str) -> Result<String, String> {
    let Some(inner) = text.strip_prefix('"') else { return Ok(text.to_owned()) };
    let inner = inner.strip_suffix('"').ok_or("missing closing quote")?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('\\' | '"')) => out.push(c),
                other => {
                    out.push('\\');
                    out.extend(other);
                }
            },
            '"' => return Err("quote inside the value".into()),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Reads a switch that is on unless said otherwise.
pub(super) fn switch(params: &Params, name: &str) -> Result<bool, Refusal> {
    match params.get(name) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(Refusal::bad(format!("{name} in query must be of type boolean: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_with_and_without_quotes() {
        for (text, want) in [
            (r#"severity="page""#, r#"severity="page""#),
            ("severity=page", r#"severity="page""#),
            (r#"team=~"db|web""#, r#"team=~"db|web""#),
            ("a != b", r#"a!="b""#),
            ("a!~x.*", r#"a!~"x.*""#),
            (r#"a="x\"y=z""#, r#"a="x\"y=z""#),
            ("فريق=ذكاء", "\"فريق\"=\"ذكاء\""),
        ] {
            assert_eq!(matcher(text).map(|m| m.to_string()), Ok(want.into()), "{text}");
        }
        for bad in ["severity", "=x", "a=\"x", "a!x", "a=~("] {
            assert!(matcher(bad).is_err(), "{bad}");
        }
    }
}
