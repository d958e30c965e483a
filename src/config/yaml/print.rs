//! From trees back to text, for display: what a file says, without its comments and without its secrets.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use super::node::{Node, Scalar, Style, Value, resolve};
use crate::config::redact::{MASK, names_secret, redact_text};

/// The longest text that is written. Aliases can make a short file a long one.
const LONGEST: usize = 16 << 20;

/// Sections whose keys the operator names: a value is a secret when its name says so.
const NAMED_VALUES: [&str; 5] = ["params", "endpoint_params", "http_headers", "headers", "claims"];

/// Writes a tree as block YAML. Values at `secrets` (bytes of the source) are masked, URLs are redacted wherever they
/// stand.
pub fn print(root: &Node, secrets: &[Range<usize>]) -> String {
    let secrets = secrets.iter().filter(|s| !s.is_empty()).map(|s| (s.start, s.end)).collect();
    let mut printer = Printer { out: String::new(), secrets };
    match &root.value {
        Value::Scalar(..) => printer.value(root, 0, &Place::default()),
        _ => printer.collection(root, 0, false, &Place::default()),
    }
    if printer.out.len() > LONGEST {
        printer.out.push_str("# the rest is left out: it is too long to be shown\n");
    }
    printer.out
}

struct Printer {
    out: String,
    secrets: HashSet<(usize, usize)>,
}

/// Where a value stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Below one of [`NAMED_VALUES`].
    named: bool,
    /// Below a name of a secret.
    secret: bool,
}

impl Place {
    fn below(self, key: &str) -> Place {
        Place {
            named: self.named || NAMED_VALUES.contains(&key),
            // A file that holds a secret may be named.
            secret: (self.secret || (self.named && names_secret(key))) && key != "files",
        }
    }
}

impl Printer {
    fn full(&self) -> bool {
        self.out.len() > LONGEST
    }

    fn indent(&mut self, depth: usize) {
        (0..depth).for_each(|_| self.out.push_str("  "));
    }

    /// Writes the lines of a mapping or sequence; `inline` when the first one goes on a line that has begun.
    fn collection(&mut self, node: &Node, depth: usize, mut inline: bool, place: &Place) {
        let mut begin = |p: &mut Printer| {
            if !std::mem::take(&mut inline) {
                p.indent(depth);
            }
        };
        match &node.value {
            Value::Scalar(..) => {}
            Value::Sequence(items) => {
                for item in items.iter() {
                    if self.full() {
                        return;
                    }
                    begin(self);
                    self.out.push('-');
                    match &item.value {
                        Value::Mapping(entries) if !entries.is_empty() => {
                            self.out.push(' ');
                            self.collection(item, depth + 1, true, place);
                        }
                        Value::Sequence(items) if !items.is_empty() => {
                            self.out.push(' ');
                            self.collection(item, depth + 1, true, place);
                        }
                        _ => self.value(item, depth, place),
                    }
                }
            }
            Value::Mapping(entries) => {
                for (key, value) in entries.iter() {
                    if self.full() {
                        return;
                    }
                    begin(self);
                    let name = key.text().unwrap_or_default();
                    self.scalar(key, name, depth, false);
                    self.out.push(':');
                    self.value(value, depth, &place.below(name));
                }
            }
        }
    }

    /// Writes a value after a key's colon or a dash, up to the end of its last line.
    fn value(&mut self, node: &Node, depth: usize, place: &Place) {
        match &node.value {
            Value::Sequence(items) if items.is_empty() => self.out.push_str(" []\n"),
            Value::Mapping(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Value::Sequence(_) => {
                self.out.push('\n');
                self.collection(node, depth, false, place);
            }
            Value::Mapping(_) => {
                self.out.push('\n');
                self.collection(node, depth + 1, false, place);
            }
            Value::Scalar(text, _) => {
                self.out.push(' ');
                let hidden = place.secret || self.secrets.contains(&(node.start, node.end));
                if hidden && !text.is_empty() && !node.is_null() {
                    self.out.push_str(MASK);
                } else {
                    self.scalar(node, &redact_text(text), depth, true);
                }
                self.out.push('\n');
            }
        }
    }

    /// Writes a scalar so that it is read as what it was.
    fn scalar(&mut self, node: &Node, text: &str, depth: usize, block: bool) {
        let style = match &node.value {
            Value::Scalar(_, style) => *style,
            _ => Style::DoubleQuoted,
        };
        let printable = text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t') && !text.contains('\u{feff}');
        let lines = text.contains('\n');
        let plain = resolve(text) != Scalar::Text || stays_plain(text);
        if !lines && style == Style::Plain && printable && plain && node.scalar() == Some(resolve(text)) {
            self.out.push_str(if text.is_empty() { "null" } else { text });
        } else if block && lines && printable && text.trim_start().len() == text.len() {
            self.literal(text, depth);
        } else if !lines && printable {
            let _ = write!(self.out, "'{}'", text.replace('\'', "''"));
        } else {
            // JSON's strings are YAML's.
            self.out.push_str(&serde_json::Value::from(text).to_string());
        }
    }

    /// Writes a text of several lines as `|`; the last line is left open.
    fn literal(&mut self, text: &str, depth: usize) {
        let body = text.trim_end_matches('\n');
        self.out.push_str(match text.len() - body.len() {
            0 => "|-",
            1 => "|",
            _ => "|+",
        });
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            self.out.push('\n');
            if !line.is_empty() {
                self.indent(depth + 1);
                self.out.push_str(line);
            }
        }
    }
}

/// Whether a text without quotes is read as itself at the start of a line, as a key and as a value. It may have been plain
/// where it stood, inside braces or behind others, and would not be here.
fn stays_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let begins = match chars.next() {
        Some('-' | '?' | ':') => chars.next().is_some_and(|c| !c.is_whitespace()),
        Some(c) => !c.is_whitespace() && !",[]{}#&*!|>'\"%@`".contains(c),
        None => false,
    };
    begins
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.ends_with([':', ' '])
        && ![": ", " #", "\t"].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Limits, parse};
    use super::*;

    /// What a tree says, without its places.
    fn meaning(node: &Node) -> String {
        match &node.value {
            Value::Scalar(text, _) => format!("{text:?}/{:?}", node.scalar()),
            Value::Sequence(items) => format!("{:?}", items.iter().map(meaning).collect::<Vec<_>>()),
            Value::Mapping(entries) => {
                format!("{:?}", entries.iter().map(|(k, v)| (meaning(k), meaning(v))).collect::<Vec<_>>())
            }
        }
    }

    fn read(text: &str) -> Node {
        parse(text, Limits::default()).unwrap().roots.remove(0)
    }

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        for text in [
            "a: 1\nb: '1'\nc: \"x\\ty\"\nd: ~\ne: ''\nf: [1, [2, {g: h}], []]\ni: {}\n",
            "- a\n- - b\n  - c\n- d: e\n  f:\n  - g\n",
            "a: |\n  one\n  two\nb: |-\n  one\n\n  two\nc: |+\n  x\n\nd: >\n  folded\n  text\n",
            "a: \"  lead\\nnext\"\nb: 'it''s'\nc: \"\\u0001\"\n'k: e': v\nd: !!str 5\n",
            "a: &x {b: &y [1, 2]}\nc: *x\nd: *y\ne: {<<: *x, f: g}\n",
            "expr: sum(rate(a{b=\"c\"}[5m]))\n  > 1\nsummary: \"{{ $labels.x }}: زمن\"\n",
            "just text\n",
            "a: {f: -, g: [-, -y], h: -1}\n",
        ] {
            let tree = read(text);
            let printed = print(&tree, &[]);
            assert_eq!(meaning(&read(&printed)), meaning(&tree), "{text}\n---\n{printed}");
        }
    }

    #[test]
    fn comments_go_and_secrets_are_masked() {
        let text = "# password: hunter2\na: hunter2 # hunter2\nurl: http://me:hunter2@host/?token=hunter2\n\
                    params: {token: [hunter2], format: [json]}\nempty: ''\n";
        let tree = read(text);
        let (a, empty) = (tree.get("a").unwrap(), tree.get("empty").unwrap());
        let shown = print(&tree, &[a.start..a.end, empty.start..empty.end]);
        let want = "a: <secret>\nurl: http://me:xxxxx@host/?token=xxxxx\nparams:\n  token:\n  - <secret>\n  \
                    format:\n  - json\nempty: ''\n";
        assert_eq!(shown, want);
    }

    #[test]
    fn aliases_do_not_make_it_endless() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..7 {
            let line: Vec<String> = (0..8).map(|_| format!("*a{}", i - 1)).collect();
            text += &format!("a{i}: &a{i} [{}]\n", line.join(", "));
        }
        assert!(print(&read(&text), &[]).len() < LONGEST + 1_000);
    }
}
