//! `Content-Type` as go-openapi reads it, over Go's `mime`: what is malformed is told apart from what is another type.

use std::collections::HashMap;

/// The type that a header names, in small letters, without its parameters.
///
/// # Errors
/// What is wrong, in Go's words.
pub fn media_type(header: &str) -> Result<String, String> {
    let (named, parameters) = header.split_at(header.find(';').unwrap_or(header.len()));
    let media = named.trim().to_lowercase();
    check_type(&media).and_then(|()| check_parameters(parameters)).map_err(|why| malformed(header, why))?;
    match media.contains('/') {
        true => Ok(media),
        false => Err(malformed(&media, &format!("mediatype: malformed: {media:?} has no subtype"))),
    }
}

fn malformed(header: &str, why: &str) -> String {
    format!("parsing Content-Type header from {header:?} failed, because {why}")
}

fn check_type(media: &str) -> Result<(), &'static str> {
    let (first, rest) = token(media);
    if first.is_empty() {
        return Err("mime: no media type");
    }
    let Some(rest) = rest.strip_prefix('/') else {
        return if rest.is_empty() { Ok(()) } else { Err("mime: expected slash after first token") };
    };
    match token(rest) {
        ("", _) => Err("mime: expected token after slash"),
        (_, "") => Ok(()),
        _ => Err("mime: unexpected content after media subtype"),
    }
}

/// The parameters, each with the semicolon before it. A semicolon at the end is let pass, and a name that comes again with the
/// same value.
fn check_parameters(mut rest: &str) -> Result<(), &'static str> {
    let mut seen = HashMap::new();
    while !matches!(rest.trim(), "" | ";") {
        let (name, value, after) = parameter(rest).ok_or("mime: invalid media parameter")?;
        if seen.insert(name, value.clone()).is_some_and(|before| before != value) {
            return Err("mime: duplicate parameter name");
        }
        rest = after;
    }
    Ok(())
}

/// `; name=value` at the beginning of a text: its name, its value, and what follows.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let (name, rest) = token(text.trim_start().strip_prefix(';')?.trim_start());
    let rest = rest.trim_start().strip_prefix('=').filter(|_| !name.is_empty())?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquoted(quoted)?,
        None => match token(rest) {
            ("", _) => return None,
            (value, rest) => (value.to_owned(), rest),
        },
    };
    Some((name.to_lowercase(), value, rest))
}

/// What stands before the closing quote, and what after it. A backslash counts before what no token holds: browsers send
/// the paths of Windows unescaped.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Some((value, rest.as_str())),
            '\r' | '\n' => return None,
            '\\' => match rest.as_str().chars().next() {
                Some(escaped) if SPECIAL.contains(escaped) => {
                    value.push(escaped);
                    rest.next();
                }
                _ => value.push(c),
            },
            c => value.push(c),
        }
    }
    None
}

/// What is neither a space nor part of a token.
const SPECIAL: &str = r#"()<>@,;:\"/[]?="#;

/// The token at the beginning of a text, and what follows it.
fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_graphic() && !SPECIAL.contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::media_type;

    /// Alertmanager's own answers to these headers.
    #[test]
    fn a_header_is_read_as_alertmanager_reads_it() {
        for given in [
            "application/json",
            "Application/JSON",
            "application/json;",
            "application/json;charset = utf-8;",
            "application/json; charset=a; charset=a",
            r#"application/json; charset="a\"b""#,
            r#"application/json; a="""#,
            "application/json; x*0=a; x*1=b",
        ] {
            assert_eq!(media_type(given).as_deref(), Ok("application/json"), "{given}");
        }
        let parameter = "mime: invalid media parameter";
        for (given, why) in [
            ("application/json; charset", parameter),
            ("application/json; charset=", parameter),
            ("application/json; charset=\"utf-8", parameter),
            ("application/json; ; charset=utf-8", parameter),
            ("application/json; charset=a; charset=b", "mime: duplicate parameter name"),
            ("application/json, text/plain", "mime: unexpected content after media subtype"),
            ("application/json; =x", parameter),
            ("application/json; a b=c", parameter),
            ("application/json;;", parameter),
            ("application/json; charset=utf-8 foo", parameter),
            ("application/json; charset=é", parameter),
            ("application/", "mime: expected token after slash"),
            ("/json", "mime: no media type"),
            (";charset=utf-8", "mime: no media type"),
            ("a b/json", "mime: expected slash after first token"),
            ("json", "mediatype: malformed: \"json\" has no subtype"),
        ] {
            let want = format!("parsing Content-Type header from {given:?} failed, because {why}");
            assert_eq!(media_type(given), Err(want), "{given}");
        }
        let want =
            "parsing Content-Type header from \"json\" failed, because mediatype: malformed: \"json\" has no subtype";
        assert_eq!(media_type("JSON; a=b").unwrap_err(), want);
    }
}
