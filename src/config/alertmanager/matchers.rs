//! Matchers as text, in both of Alertmanager's syntaxes.
//!
//! The classic syntax is tried first and wins where both read a text, as in Alertmanager's default mode; what only the
//! UTF-8 syntax reads (quoted names, names of any letters) is read by that.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::model::{MatchOp, Matcher};

/// Which of the two syntaxes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Syntax {
    /// The classic one, else the other.
    Both,
    /// `--enable-feature=classic-mode`
    Classic,
    /// `--enable-feature=utf8-strict-mode`
    Utf8,
}

// As in Alertmanager a matter of the whole process: what a file and what a client says is read alike.
static SYNTAX: AtomicU8 = AtomicU8::new(Syntax::Both as u8);

/// From now on the process reads this syntax. To be said before anything is read.
pub fn read_only(syntax: Syntax) {
    SYNTAX.store(syntax as u8, Ordering::Relaxed);
}

/// Which syntaxes the process reads.
pub fn syntax() -> Syntax {
    let said = SYNTAX.load(Ordering::Relaxed);
    [Syntax::Classic, Syntax::Utf8].into_iter().find(|s| *s as u8 == said).unwrap_or(Syntax::Both)
}

/// Reads a list of matchers: `a="b", c=~"d|e"`, with or without braces.
///
/// # Errors
/// What the classic syntax has against it.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, String> {
    parse_all(text, syntax())
}

fn parse_all(text: &str, syntax: Syntax) -> Result<Vec<Matcher>, String> {
    match syntax {
        Syntax::Both => classic(text).or_else(|reason| utf8(text).ok_or(reason)),
        Syntax::Classic => classic(text),
        Syntax::Utf8 => utf8(text).ok_or_else(|| format!("bad matcher format: {text}")),
    }
}

/// Reads one matcher, as Alertmanager's API does in its `filter` parameters: a comma belongs to an unquoted value.
///
/// # Errors
/// What the classic syntax has against it.
pub fn parse_matcher(text: &str) -> Result<Matcher, String> {
    parse_one(text, syntax())
}

fn parse_one(text: &str, syntax: Syntax) -> Result<Matcher, String> {
    // In classic mode braces are of the value, as in Alertmanager.
    if syntax != Syntax::Classic && (text.starts_with('{') || text.ends_with('}')) {
        return Err(format!("unexpected open or close brace: {text}"));
    }
    let one = || utf8(text).filter(|all| all.len() == 1).and_then(|mut all| all.pop());
    match syntax {
        Syntax::Both => classic_matcher(text).or_else(|reason| one().ok_or(reason)),
        Syntax::Classic => classic_matcher(text),
        Syntax::Utf8 => one().ok_or_else(|| format!("bad matcher format: {text}")),
    }
}

const OPERATORS: [(&str, MatchOp); 4] =
    [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];

fn take_operator(text: &str) -> Option<(MatchOp, &str)> {
    OPERATORS.iter().find_map(|(op, kind)| text.strip_prefix(op).map(|rest| (*kind, rest)))
}

fn classic(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.trim();
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    split_outside_quotes(text).into_iter().map(classic_matcher).collect()
}

/// Splits at commas outside of double quotes. Nothing after the last comma is no item.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut items, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (i, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                items.extend(text.get(begin..i));
                begin = i + 1;
            }
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    items.extend(text.get(begin..).filter(|rest| !rest.is_empty()));
    items
}

fn classic_matcher(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let end = trimmed.find(|c: char| !letter(c) && !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at_checked(end).ok_or_else(bad)?;
    if !name.starts_with(letter) {
        return Err(bad());
    }
    let (op, raw) = take_operator(rest.trim_start()).ok_or_else(bad)?;
    Matcher::of_alerts(op, name, unescape(raw.trim())?)
}

fn unescape(raw: &str) -> Result<String, String> {
    let stray = || format!("matcher value contains unescaped double quote: {raw}");
    let body = match raw.strip_prefix('"') {
        Some(body) => body.strip_suffix('"').filter(|b| !ends_escaped(b)).ok_or_else(stray)?,
        None => raw,
    };
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('"' | '\\')) => out.extend(chars.peek()),
            ('\\', Some(_)) => {
                out.push('\\');
                out.extend(chars.peek());
            }
            ('"', _) => return Err(stray()),
            (c, _) => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    Ok(out)
}

fn ends_escaped(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// The UTF-8 syntax. `None` when the text is not in it.
fn utf8(text: &str) -> Option<Vec<Matcher>> {
    let text = text.trim();
    let mut rest = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}')?.trim(),
        None => text,
    };
    let mut matchers = Vec::new();
    while !rest.is_empty() {
        let (name, after) = utf8_token(rest)?;
        let (op, after) = take_operator(after.trim_start())?;
        let (value, after) = utf8_token(after.trim_start())?;
        matchers.push(Matcher::of_alerts(op, name, value).ok()?);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(matchers)
}

/// A quoted string, or a run of characters that mean nothing.
fn utf8_token(text: &str) -> Option<(String, &str)> {
    const RESERVED: &str = "{}!=~,\\\"'`";
    if let Some(body) = text.strip_prefix('"') {
        let (mut out, mut chars) = (Vec::new(), body.chars());
        loop {
            match chars.next()? {
                '"' => return Some((String::from_utf8(out).ok()?, chars.as_str())),
                '\\' => escape(&mut chars, &mut out)?,
                c => push(&mut out, c),
            }
        }
    }
    let end = text.find(|c: char| RESERVED.contains(c) || c.is_whitespace()).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    (!token.is_empty()).then(|| (token.to_owned(), rest))
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Go's escapes in quoted strings. `\xHH` and octal ones are bytes, of which several may make one character.
fn escape(chars: &mut std::str::Chars, out: &mut Vec<u8>) -> Option<()> {
    let number = |chars: &mut std::str::Chars, digits: usize, base: u32| {
        let (number, rest) = chars.as_str().split_at_checked(digits)?;
        *chars = rest.chars();
        number.chars().all(|c| c.is_digit(base)).then(|| u32::from_str_radix(number, base).ok()).flatten()
    };
    let simple = [('a', 0x07), ('b', 0x08), ('f', 0x0c), ('n', b'\n'), ('r', b'\r'), ('t', b'\t'), ('v', 0x0b)];
    match chars.clone().next()? {
        '0'..='7' => out.push(u8::try_from(number(chars, 3, 8)?).ok()?),
        c => {
            chars.next();
            match c {
                '\\' | '"' => push(out, c),
                'x' => out.push(u8::try_from(number(chars, 2, 16)?).ok()?),
                'u' => push(out, char::from_u32(number(chars, 4, 16)?)?),
                'U' => push(out, char::from_u32(number(chars, 8, 16)?)?),
                c => out.push(simple.iter().find(|(letter, _)| *letter == c)?.1),
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_read_one_syntax_alone() {
        for (text, both, classic, utf8) in [
            ("a=b", true, true, true),
            ("a=b\\c", true, true, false),
            ("🙂=b", true, false, true),
            ("a=\"b", false, false, false),
        ] {
            for (syntax, want) in [(Syntax::Both, both), (Syntax::Classic, classic), (Syntax::Utf8, utf8)] {
                assert_eq!(parse_all(text, syntax).is_ok(), want, "{text} {syntax:?}");
                assert_eq!(parse_one(text, syntax).is_ok(), want, "{text} {syntax:?}");
            }
        }
    }

    #[test]
    fn matchers_are_read_in_both_syntaxes() {
        for (text, want) in [
            ("a=b", "a=\"b\""),
            ("{a=b,c!~\"d|e\"}", "a=\"b\" c!~\"d|e\""),
            ("a=b,", "a=\"b\""),
            ("", ""),
            ("{}", ""),
            ("a=foo bar", "a=\"foo bar\""),
            ("a==b", "a=\"=b\""),
            ("a=", "a=\"\""),
            ("foo=\"b\\\"z\"", "foo=\"b\\\"z\""),
            ("foo='x'", "foo=\"'x'\""),
            ("a=\\d", "a=\"\\\\d\""),
            ("a=\\", "a=\"\\\\\""),
            ("a=\"x,y\"", "a=\"x,y\""),
            ("\"a b\"=\"c\"", "\"a b\"=\"c\""),
            (r#""\xf0\x9f\x99\x82"=d"#, "\"🙂\"=\"d\""),
            (r#"زمن="\101\x42\u0628""#, "\"زمن\"=\"ABب\""),
            ("زمن=x", "\"زمن\"=\"x\""),
            ("0a=b", "\"0a\"=\"b\""),
            ("a.b=\"c\"", "\"a.b\"=\"c\""),
        ] {
            let shown =
                parse_matchers(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(shown, Ok(want.to_owned()), "{text}");
        }
        for (bad, reason) in [
            ("a", "bad matcher format: a"),
            (",", "bad matcher format: "),
            ("=b", "bad matcher format: =b"),
            ("a b=c", "bad matcher format: a b=c"),
            ("a~=b", "bad matcher format: a~=b"),
            ("!a=b", "bad matcher format: !a=b"),
            ("a=\"b", "matcher value contains unescaped double quote: \"b"),
            ("a=b\"c\"", "matcher value contains unescaped double quote: b\"c\""),
        ] {
            assert_eq!(parse_matchers(bad).unwrap_err(), reason);
        }
        assert!(parse_matchers("a=~\"(\"").is_err());
        for bad in [r#""\xff"=d"#, r#"زمن="\400""#, r#"زمن="\x4""#] {
            assert!(parse_matchers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_brace_is_of_the_value_in_classic_mode_alone() {
        for (text, want) in [("a={x}", "a=\"{x}\""), ("a=b}", "a=\"b}\"")] {
            assert_eq!(parse_one(text, Syntax::Classic).map(|m| m.to_string()), Ok(want.to_owned()), "{text}");
            for syntax in [Syntax::Both, Syntax::Utf8] {
                assert!(parse_one(text, syntax).is_err(), "{text} {syntax:?}");
            }
        }
        assert!(parse_one("{a=b}", Syntax::Classic).is_err());
    }

    #[test]
    fn a_filter_is_one_matcher() {
        for (text, want) in [
            ("a=b", "a=\"b\""),
            ("a=b,c=d", "a=\"b,c=d\""),
            ("a=\"b\",", "a=\"b\""),
            ("a=b,", "a=\"b,\""),
            ("a!~x.*", "a!~\"x.*\""),
            ("a==b", "a=\"=b\""),
            ("\"a b\"=d", "\"a b\"=\"d\""),
            (r#"a="\x41""#, r#"a="\\x41""#),
        ] {
            assert_eq!(parse_matcher(text).map(|m| m.to_string()), Ok(want.to_owned()), "{text}");
        }
        for bad in ["a", "", "=a", "{a=b}", "a b=d", ",a=b", "a=\"b", "!a=b", "a=~("] {
            assert!(parse_matcher(bad).is_err(), "{bad}");
        }
    }
}
