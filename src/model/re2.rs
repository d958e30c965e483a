//! Regular expressions as Go reads them (RE2's syntax), compiled by the `regex` crate.
//!
//! The two dialects differ in a few places, which [`translate`] bridges: a brace that begins no repetition is a brace;
//! `\d`, `\w`, `\s` and `\b` are ASCII; brackets inside a class nest nothing; `\Q...\E` quotes; `\101` is octal; `\<` and
//! `\>` are the characters. A repetition of a repetition, of more than 1,000, and flags Go has not are errors, in Go's
//! words. See <https://github.com/google/re2/wiki/Syntax>.

use std::cell::Cell;
use std::collections::BTreeMap;

use parking_lot::Mutex;
use regex::{Regex, RegexSet};

/// The longest regular expression that is compiled, in bytes.
pub const MAX_LEN: usize = 64 * 1024;
/// The largest compiled form, in bytes.
const SIZE_LIMIT: usize = 8 << 20;

/// Compiles a pattern that may match anywhere.
///
/// # Errors
/// What is wrong with it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    check_len(pattern)?;
    build(&translate(pattern)?)
}

/// The patterns that [`compile_remembered`] remembers, at most, and the size of each, compiled, in bytes.
const REMEMBERED: usize = 256;
const REMEMBERED_SIZE: usize = 128 << 10;

static MEMORY: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());

/// As [`compile`], for patterns that are met again and again, as those of templates are: compiling takes a thousand times
/// as long as matching. The lock is held for a look only.
///
/// # Errors
/// What is wrong with it.
pub fn compile_remembered(pattern: &str) -> Result<Regex, String> {
    if let Some(regex) = MEMORY.lock().get(pattern) {
        return Ok(regex.clone());
    }
    check_len(pattern)?;
    let translated = translate(pattern)?;
    match regex::RegexBuilder::new(&translated).size_limit(REMEMBERED_SIZE).build() {
        Ok(regex) => {
            let mut memory = MEMORY.lock();
            if memory.len() >= REMEMBERED {
                memory.clear();
            }
            memory.insert(pattern.to_owned(), regex.clone());
            Ok(regex)
        }
        Err(_) => build(&translated),
    }
}

/// Compiles a pattern that must match the whole text, its dots newlines too: Prometheus' `^(?s:...)$`.
///
/// # Errors
/// What is wrong with it.
pub fn compile_anchored(pattern: &str) -> Result<Regex, String> {
    check_len(pattern)?;
    build(&anchored("s", pattern)?)
}

/// Compiles a pattern that must match the whole text, its dots no newlines: the `^(?:...)$` of Alertmanager's matchers.
///
/// # Errors
/// What is wrong with it.
pub fn compile_anchored_in_line(pattern: &str) -> Result<Regex, String> {
    check_len(pattern)?;
    build(&anchored("", pattern)?)
}

/// The pattern in the crate's dialect, anchored. A quotation that goes on to its end takes the closing bracket in.
fn anchored(flags: &str, pattern: &str) -> Result<String, String> {
    match translated(pattern)? {
        (_, true) => Err(format!("missing closing ): `^(?{flags}:{pattern})$`")),
        (translated, false) => Ok(format!("^(?{flags}:{translated})$")),
    }
}

/// Compiles patterns that are asked together, each as [`compile_anchored`] does: what [`compile_anchored_in_line`] makes
/// of one matches no more. `None` when one of them is none, or when together they are too large.
pub fn set_anchored<'p>(patterns: impl Iterator<Item = &'p str>) -> Option<RegexSet> {
    let patterns = patterns.map(|pattern| anchored("s", pattern).ok()).collect::<Option<Vec<_>>>()?;
    regex::RegexSetBuilder::new(patterns).size_limit(SIZE_LIMIT).build().ok()
}

/// Refuses a pattern that is too long to be looked at.
///
/// # Errors
/// How long it is.
pub fn check_len(pattern: &str) -> Result<(), String> {
    match pattern.len() > MAX_LEN {
        true => Err(format!("regular expression of {} bytes is longer than {MAX_LEN}", pattern.len())),
        false => Ok(()),
    }
}

fn build(pattern: &str) -> Result<Regex, String> {
    let build = |limit| regex::RegexBuilder::new(pattern).size_limit(limit).build();
    let Some(left) = BUDGET.get() else { return build(SIZE_LIMIT).map_err(|e| e.to_string()) };
    // How large a compiled form is nobody tells: it is the first of these limits that it keeps within.
    for limit in SIZES {
        match build(limit) {
            Err(regex::Error::CompiledTooBig(_)) if limit < SIZE_LIMIT => {}
            Err(e) => return Err(e.to_string()),
            Ok(_) if limit > left => break,
            Ok(regex) => {
                BUDGET.set(Some(left - limit));
                return Ok(regex);
            }
        }
    }
    Err(format!("the regular expressions of a query take more than {QUERY_BUDGET} bytes"))
}

/// Classes of size, ascending; the last is the limit.
const SIZES: [usize; 4] = [16 << 10, 128 << 10, 1 << 20, SIZE_LIMIT];
/// What all patterns of one query or request may take, compiled, in bytes.
pub const QUERY_BUDGET: usize = 64 << 20;

thread_local! {
    /// What is left for the patterns of the query that this thread compiles.
    static BUDGET: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Compiles what belongs to one query or request: its patterns share a budget, where they do not share one already.
pub fn within_budget<T>(compile: impl FnOnce() -> T) -> T {
    struct Open;
    impl Drop for Open {
        fn drop(&mut self) {
            BUDGET.set(None);
        }
    }
    if BUDGET.get().is_some() {
        return compile();
    }
    BUDGET.set(Some(QUERY_BUDGET));
    let _open = Open;
    compile()
}

/// The pattern in the `regex` crate's dialect.
///
/// # Errors
/// What Go refuses and the crate would not, in Go's words.
pub fn translate(pattern: &str) -> Result<String, String> {
    translated(pattern).map(|(translated, _)| translated)
}

/// As [`translate`], and whether a quotation goes on to the end.
fn translated(pattern: &str) -> Result<(String, bool), String> {
    let mut is_open = false;
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    // The repetition just before, and what follows from it.
    let mut repetition: Option<&str> = None;
    while let Some(c) = rest.chars().next() {
        if let Some(len) = repetition_len(rest)? {
            if let Some(before) = repetition.replace(rest) {
                let both = before.len() - rest.len() + len;
                let both = before.get(..both).unwrap_or(before);
                return Err(format!("invalid nested repetition operator: `{both}`"));
            }
            let (operator, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
            out.push_str(operator);
            rest = after;
            continue;
        }
        repetition = None;
        let tail = rest.get(c.len_utf8()..).unwrap_or("");
        rest = match c {
            '\\' => {
                is_open |= tail.strip_prefix('Q').is_some_and(|quoted| !quoted.contains("\\E"));
                escape(tail, &mut out)?
            }
            '{' => {
                out.push_str("\\{");
                tail
            }
            '[' => class(tail, &mut out)?,
            c => {
                if c == '(' {
                    check_flags(rest)?;
                }
                out.push(c);
                tail
            }
        };
    }
    Ok((out, is_open))
}

/// The most that a repetition may ask for.
const MAX_REPEAT: u32 = 1_000;

/// Length of the repetition operator that `s` begins with: `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, and the `?` behind it.
fn repetition_len(s: &str) -> Result<Option<usize>, String> {
    let len = match s.bytes().next() {
        Some(b'*' | b'+' | b'?') => 1,
        Some(b'{') => match braces(s) {
            Some(inside) if valid_repeat(inside) => inside.len() + 2,
            Some(inside) => return Err(format!("invalid repeat count: `{{{inside}}}`")),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let lazy = s.get(len..).is_some_and(|r| r.starts_with('?'));
    Ok(Some(len + usize::from(lazy)))
}

/// What is between the braces of `{n}`, `{n,}` or `{n,m}`.
fn braces(s: &str) -> Option<&str> {
    let (inside, _) = s.strip_prefix('{')?.split_once('}')?;
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    (!least.is_empty() && digits(least) && digits(most)).then_some(inside)
}

fn valid_repeat(inside: &str) -> bool {
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let least = least.parse::<u32>().unwrap_or(u32::MAX);
    let most = if most.is_empty() { least } else { most.parse().unwrap_or(u32::MAX) };
    least <= most && most <= MAX_REPEAT
}

/// Refuses `(?flags)` with flags that only the crate has.
fn check_flags(group: &str) -> Result<(), String> {
    let Some(inside) = group.strip_prefix("(?") else { return Ok(()) };
    let end = inside.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap_or(inside.len());
    let (flags, after) = inside.split_at_checked(end).unwrap_or((inside, ""));
    let unknown = flags.contains(|c| !"imsU-".contains(c));
    if unknown && after.starts_with([':', ')']) {
        let text = group.get(..end + 3).unwrap_or(group);
        return Err(format!("invalid or unsupported Perl syntax: `{text}`"));
    }
    Ok(())
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\x0c\\r ";

/// The members of a Perl class, and whether it is negated.
fn perl_class(c: char) -> Option<(&'static str, bool)> {
    match c {
        'd' => Some((DIGIT, false)),
        'D' => Some((DIGIT, true)),
        'w' => Some((WORD, false)),
        'W' => Some((WORD, true)),
        's' => Some((SPACE, false)),
        'S' => Some((SPACE, true)),
        _ => None,
    }
}

/// What follows a backslash outside a class. Gives what is left.
fn escape<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return Ok(tail);
    };
    let rest = tail.get(c.len_utf8()..).unwrap_or("");
    match (c, perl_class(c)) {
        (_, Some((members, negated))) => {
            out.push_str(if negated { "[^" } else { "[" });
            out.push_str(members);
            out.push(']');
        }
        ('Q', _) => {
            let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(after);
        }
        ('b', _) => out.push_str("(?-u:\\b)"),
        ('B', _) => out.push_str("(?-u:\\B)"),
        _ => return common_escape(c, rest, out),
    }
    Ok(rest)
}

/// An escape that is the same inside and outside a class. Gives what is left.
fn common_escape<'a>(c: char, rest: &'a str, out: &mut String) -> Result<&'a str, String> {
    match c {
        // Only the crate has these.
        'u' | 'U' => return Err(format!("invalid escape sequence: `\\{c}`")),
        '<' | '>' => out.push(c),
        // `\pL`, `\p{Greek}`, `\p{^Greek}`, `\x{263a}`
        'p' | 'P' | 'x' => {
            let braced = rest.strip_prefix('{').and_then(|r| r.split_once('}'));
            let Some((inside, after)) = braced else {
                out.extend(['\\', c]);
                // `\pL`
                let letter = rest.chars().next().filter(|_| c != 'x');
                out.extend(letter);
                return Ok(rest.get(letter.map_or(0, char::len_utf8)..).unwrap_or(""));
            };
            let (c, inside) = match (c, inside.strip_prefix('^')) {
                ('p', Some(name)) => ('P', name),
                ('P', Some(name)) => ('p', name),
                _ => (c, inside),
            };
            let kind = if c == 'x' { "" } else { property_kind(inside)? };
            out.push_str(&format!("\\{c}{{{kind}{inside}}}"));
            return Ok(after);
        }
        '0'..='7' => {
            let octal = |b: &u8| matches!(b, b'0'..=b'7');
            let more = rest.as_bytes().iter().take(2).take_while(|b| octal(b)).count();
            // Without a second digit, all but 0 would be references to groups, which there are not.
            if c == '0' || more > 0 {
                let (digits, after) = rest.split_at_checked(more).unwrap_or((rest, ""));
                let code = u32::from_str_radix(&format!("{c}{digits}"), 8).unwrap_or(0);
                out.push_str(&format!("\\x{{{code:x}}}"));
                return Ok(after);
            }
            out.extend(['\\', c]);
        }
        _ => out.extend(['\\', c]),
    }
    Ok(rest)
}

/// What stands before a name in braces: Go knows categories and scripts, and none of the crate's other properties.
fn property_kind(name: &str) -> Result<&'static str, String> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_- ".contains(c));
    let known = |kind: &&str| is_plain && Regex::new(&format!("\\p{{{kind}{name}}}")).is_ok();
    ["gc=", "sc="].into_iter().find(known).ok_or_else(|| format!("invalid character class range: `\\p{{{name}}}`"))
}

/// The classes that have names in double brackets.
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A class, from after its opening bracket. Gives what is left.
fn class<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, String> {
    out.push('[');
    let mut rest = tail;
    if let Some(r) = rest.strip_prefix('^') {
        out.push('^');
        rest = r;
    }
    // A bracket that closes at once is a member.
    if let Some(r) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = r;
    }
    let (mut after_dash, mut after_class) = (false, false);
    while let Some(c) = rest.chars().next() {
        let r = rest.get(c.len_utf8()..).unwrap_or("");
        let dash = std::mem::replace(&mut after_dash, c == '-');
        // Behind a class a dash makes no range.
        let dash = dash || std::mem::take(&mut after_class);
        rest = match c {
            ']' => {
                out.push(']');
                return Ok(r);
            }
            '\\' => {
                after_class = r.starts_with(|c| perl_class(c).is_some() || c == 'p' || c == 'P');
                class_escape(r, out)?
            }
            '[' => match r.strip_prefix(':').and_then(|name| name.split_once(":]")) {
                Some((name, _)) if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) => {
                    return Err(format!("invalid character class range: `[:{name}:]`"));
                }
                Some((name, after)) => {
                    after_class = true;
                    out.push_str(&format!("[:{name}:]"));
                    after
                }
                None => {
                    out.push_str("\\[");
                    r
                }
            },
            // Alone they are members; doubled they would be set operations.
            '&' | '~' => {
                out.extend(['\\', c]);
                r
            }
            '-' if dash => {
                out.push_str("\\-");
                r
            }
            c => {
                out.push(c);
                r
            }
        };
    }
    Ok(rest)
}

fn class_escape<'a>(tail: &'a str, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return Ok(tail);
    };
    let rest = tail.get(c.len_utf8()..).unwrap_or("");
    match perl_class(c) {
        Some((members, false)) => out.push_str(members),
        Some((members, true)) => out.push_str(&format!("[^{members}]")),
        None => return common_escape(c, rest, out),
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, want) in [
            (" {.*}$", "Peering (x) {#cable}", true),
            ("{", "{", true),
            ("a{,2}", "a{,2}", true),
            ("a{2}", "aa", true),
            ("a{2,}b{1,3}", "aaabb", true),
            ("{{ .x }}", "{{ .x }}", true),
            ("^\\d+$", "123", true),
            ("^\\d+$", "١٢٣", false),
            ("^\\w+$", "زمن", false),
            ("^[\\w.]+$", "a.b_1", true),
            ("^[^\\s]+$", "a b", false),
            ("^[\\D]$", "x", true),
            ("^[\\D]$", "1", false),
            ("\\Qa.b\\E", "a.b", true),
            ("\\Qa.b\\E", "axb", false),
            ("^[[]$", "[", true),
            ("^[]a]$", "]", true),
            ("^[a&&b]$", "&", true),
            ("^[a~~b]$", "~", true),
            ("^[[:alpha:]]+$", "abc", true),
            ("^[+--]$", ",", true),
            ("\\<a\\>", "<a>", true),
            ("\\ba\\b", "x a y", true),
            ("^\\p{Greek}+$", "αβγ", true),
            ("^\\p{^Greek}+$", "αβγ", false),
            ("^\\P{^Greek}+$", "αβγ", true),
            ("^[\\p{Greek}_]+$", "α_", true),
            ("^[^\\p{^Greek}]+$", "α", true),
            ("^\\pL+$", "aα", true),
            ("^\\x{3b1}\\x41$", "αA", true),
            ("^[\\x{3b1}-\\x{3b3}]$", "β", true),
            ("^\\101\\0$", "A\0", true),
            ("^[\\101-\\103]$", "B", true),
            ("a*?b+?c??d{1,2}?", "abcd", true),
            ("(a*)*", "", true),
            ("(?i-s:A)(?P<x>b)(?<y>c)", "abc", true),
            ("\\*+", "**", true),
            ("a{1000}", "b", false),
            ("^[\\w-z]$", "-", true),
            ("^[\\w-z]$", "`", false),
            ("^[\\d-z]$", "-", true),
            ("^[\\d-z]$", "a", false),
            ("^[[:digit:]-z]$", "-", true),
            ("^[\\pN-z]$", "-", true),
            ("^[\\w-]$", "-", true),
            ("^\\p{Any}\\p{letter}\\p{lu}$", "1aA", true),
            ("\\Qa.b", "a.b", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), want, "{pattern} on {text}");
        }
        assert!(compile("(").is_err());
        assert!(compile(&"a".repeat(MAX_LEN + 1)).is_err());
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (pattern, want) in [
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+?*", "invalid nested repetition operator: `+?*`"),
            ("a{2}{3,}?b", "invalid nested repetition operator: `{2}{3,}?`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("(?x) a", "invalid or unsupported Perl syntax: `(?x)`"),
            ("(?iu:a)", "invalid or unsupported Perl syntax: `(?iu:`"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), want, "{pattern}");
        }
        for pattern in [
            "*",
            "\\1",
            "\\8",
            "a(?=b)",
            "[b-a]",
            "\\p{Nothing}",
            "\\u0041",
            "[\\u0041]",
            "[[:foo:]]",
            "\\p{Alphabetic}",
            "\\p{Script=Greek}",
            "[a-\\d]",
        ] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert_eq!(compile_anchored("a\\Q[").unwrap_err(), "missing closing ): `^(?s:a\\Q[)$`");
        assert!(compile_anchored("\\Q[\\E").is_ok());
    }
}
