//! Escaping for the markups of chats: what an alert brings in is written so that it reads as it is, in the place where it
//! lands. The place is found by following the output.

use std::fmt::Write as _;

use super::foreign::{Foreign, Form};

/// A markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Markdown with backslashes before what is meant as it is: Discord, Teams, Webex, Mattermost, Rocket.Chat.
    Markdown,
    /// Telegram's first Markdown.
    TelegramFirst,
    /// Telegram's second Markdown, in which nearly everything is reserved.
    TelegramSecond,
    /// Slack's, and Google Chat's, which has entities and no backslashes.
    Mrkdwn,
}

/// It is seen by nobody, and keeps apart what it stands between.
const BREAK: char = '\u{200b}';
/// What looks like a backquote and begins no code.
const QUOTE: char = '\u{2cb}';
/// What looks like a bracket and ends no text of a link.
const BRACKET: char = '\u{ff3d}';
/// What Telegram reserves.
const RESERVED_FIRST: &str = "_*`[";
const RESERVED_SECOND: &str = r"_*[]()~`>#+-=|{}.!\";
/// Names that mention everybody, wherever they stand.
const EVERYBODY: [&str; 4] = ["everyone", "here", "channel", "all"];

impl Dialect {
    /// A text between markup, wherever on a line it stands.
    pub fn escape(self, text: &str) -> String {
        self.text(text, '\n', true)
    }

    /// A foreign text between markup.
    pub(super) fn write(self, foreign: &Foreign) -> String {
        match &foreign.form {
            Form::Text => self.escape(&foreign.text),
            Form::Url => self.link(&foreign.text).unwrap_or_else(|| self.escape(&foreign.text)),
            Form::Composed(written) => written.to_string(),
        }
    }

    /// A link that stands for itself; `None` for what is none.
    fn link(self, text: &str) -> Option<String> {
        let is_link = is_address(text) && !text.contains(char::is_whitespace);
        let link = is_link.then(|| url(text))?;
        Some(self.address(link))
    }

    /// An address that stands for itself. Telegram looks for marks in it too.
    fn address(self, url: String) -> String {
        match self {
            Dialect::TelegramFirst | Dialect::TelegramSecond => self.escape(&url),
            Dialect::Markdown | Dialect::Mrkdwn => url,
        }
    }

    /// A text between markup: what stood before it, and whether nothing else did on its line.
    fn text(self, text: &str, before: char, line_begins: bool) -> String {
        let mut out = String::with_capacity(text.len() + 8);
        let (mut before, mut line_begins) = (before, line_begins);
        for (at, c) in text.char_indices() {
            let rest = text.get(at + c.len_utf8()..).unwrap_or("");
            match self {
                Dialect::Markdown => markdown(&mut out, c, before, rest, line_begins),
                Dialect::Mrkdwn => mrkdwn(&mut out, c, before, rest),
                Dialect::TelegramFirst | Dialect::TelegramSecond => {
                    let reserved = if self == Dialect::TelegramFirst { RESERVED_FIRST } else { RESERVED_SECOND };
                    out.extend(reserved.contains(c).then_some('\\'));
                    out.push(c);
                }
            }
            line_begins = c == '\n' || line_begins && (c.is_whitespace() || c.is_ascii_digit());
            before = c;
        }
        out
    }

    /// A text in code, which it must not end.
    fn code(self, text: &str) -> String {
        match self {
            Dialect::TelegramSecond => text.replace('\\', "\\\\").replace('`', "\\`"),
            Dialect::Mrkdwn => entities(text).replace('`', &QUOTE.to_string()),
            Dialect::Markdown | Dialect::TelegramFirst => text.replace('`', &QUOTE.to_string()),
        }
    }
}

fn markdown(out: &mut String, c: char, before: char, rest: &str, line_begins: bool) {
    let next = rest.chars().next();
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let special = match c {
        '\\' | '*' | '`' | '[' | ']' | '<' | '|' => true,
        // Between letters it is one of them.
        '_' => !(is_word(Some(before)) && is_word(next)),
        '~' => before == '~' || next == Some('~') || next.is_none(),
        '&' => next.is_some_and(|c| c == '#' || c.is_ascii_alphabetic()),
        // No address becomes a link.
        ':' => rest.starts_with("//") || before == 'o' && out.ends_with("mailto"),
        '#' | '>' | '=' => line_begins,
        '-' | '+' => line_begins && next.is_none_or(|c| c.is_whitespace() || c == '-'),
        '.' | ')' => line_begins && before.is_ascii_digit() && next.is_none_or(char::is_whitespace),
        _ => false,
    };
    out.extend(special.then_some('\\'));
    out.push(c);
    out.extend(mentions(c, before, rest).then_some(BREAK));
}

fn mrkdwn(out: &mut String, c: char, before: char, rest: &str) {
    let next = rest.chars().next();
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '`' => out.push(QUOTE),
        // A mark counts where a word begins or ends, beside what it marks.
        '*' | '_' | '~' if !before.is_alphanumeric() => out.extend([c, BREAK]),
        '*' | '_' | '~' if !next.is_some_and(char::is_alphanumeric) => out.extend([BREAK, c]),
        c => out.push(c),
    }
    out.extend(mentions(c, before, rest).then_some(BREAK));
}

/// Whether an `@` may begin a mention; one inside of an address of mail does not.
fn mentions(c: char, before: char, rest: &str) -> bool {
    let begins = || !before.is_alphanumeric() && rest.starts_with(|c: char| c.is_alphanumeric() || "&!_".contains(c));
    c == '@' && (begins() || EVERYBODY.iter().any(|name| rest.starts_with(name)))
}

fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// A URL, or a part of one, without what could end it or be read as markup.
fn url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || "()<>[]{}|\\^\"`*".contains(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A text within a mark of Telegram's first Markdown, which knows no backslashes there: what would end it stands outside,
/// between two of them.
fn within(mark: char, text: &str) -> String {
    match mark {
        ']' => text.replace(']', &BRACKET.to_string()),
        mark => text.replace(mark, &format!("{mark}\\{mark}{mark}")),
    }
}

/// Where the next text lands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between markup.
    #[default]
    Text,
    /// In code that so many backquotes began.
    Code(usize),
    /// In Telegram's first Markdown: in what this mark ends.
    Within(char),
    /// In the address of `[text](address)`, so many parentheses deep.
    Target(usize),
    /// After a `<` that begins an address.
    Angle,
    /// In a mention: `<@`, `<!`, `<#`.
    Mention,
    /// In an address that stands for itself.
    Address,
}

/// Follows an output as it is written.
#[derive(Debug)]
pub(super) struct MarkupContext {
    pub dialect: Dialect,
    place: Place,
    before: char,
    line_begins: bool,
}

impl MarkupContext {
    pub fn new(dialect: Dialect) -> Self {
        MarkupContext { dialect, place: Place::default(), before: '\n', line_begins: true }
    }

    /// Follows text that is meant as markup.
    pub fn feed(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let length = self.step(c, rest).max(c.len_utf8());
            let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
            self.pass(taken);
            rest = left;
        }
    }

    /// Follows text without looking for markup in it.
    fn pass(&mut self, text: &str) {
        for c in text.chars() {
            self.line_begins = c == '\n' || self.line_begins && (c.is_whitespace() || ">-*+".contains(c));
            self.before = c;
        }
    }

    /// What stands here changes the place; how many bytes belong to it.
    fn step(&mut self, c: char, rest: &str) -> usize {
        let backslashes = self.dialect != Dialect::Mrkdwn;
        let quotes = || rest.len() - rest.trim_start_matches('`').len();
        match (self.place, c) {
            (Place::Text, '\\') if backslashes => return 1 + rest.chars().nth(1).map_or(0, char::len_utf8),
            (Place::Text, '`') => {
                self.place = Place::Code(quotes());
                return quotes();
            }
            (Place::Code(open), '`') => {
                if quotes() == open {
                    self.place = Place::Text;
                }
                return quotes();
            }
            (Place::Text, '*' | '_') if self.dialect == Dialect::TelegramFirst => self.place = Place::Within(c),
            (Place::Text, '[') if self.dialect == Dialect::TelegramFirst => self.place = Place::Within(']'),
            (Place::Text | Place::Within(']'), ']') if backslashes && rest.starts_with("](") => {
                self.place = Place::Target(0);
                return 2;
            }
            (Place::Within(mark), c) if c == mark => self.place = Place::Text,
            (Place::Target(deep), '(') => self.place = Place::Target(deep + 1),
            (Place::Target(deep), ')') => self.place = deep.checked_sub(1).map_or(Place::Text, Place::Target),
            (Place::Text, '<') => self.place = opened(rest),
            (Place::Angle | Place::Mention, '>') => self.place = Place::Text,
            (Place::Angle | Place::Mention, '|') if !backslashes => self.place = Place::Text,
            (Place::Text, 'h') if is_address(rest) && !self.before.is_alphanumeric() => self.place = Place::Address,
            (Place::Address, c) if c.is_whitespace() || "<>\"|)".contains(c) => self.place = Place::Text,
            _ => {}
        }
        0
    }

    /// A foreign text as it is written here.
    pub fn write(&mut self, foreign: &Foreign) -> String {
        let text = &*foreign.text;
        let written = match self.place {
            Place::Text => match &foreign.form {
                Form::Text => self.dialect.text(text, self.before, self.line_begins),
                _ => self.dialect.write(foreign),
            },
            Place::Code(_) => self.dialect.code(text),
            Place::Within(mark) => within(mark, text),
            Place::Address => self.dialect.address(url(text)),
            Place::Target(_) | Place::Angle => url(text),
            Place::Mention => text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect(),
        };
        self.pass(&written);
        written
    }
}

/// What a `<` begins. At the end of the template's text it is what a value is put into.
fn opened(rest: &str) -> Place {
    match rest.get(1..) {
        Some(after) if after.is_empty() || is_address(after) => Place::Angle,
        Some(after) if after.starts_with(['@', '!', '#']) => Place::Mention,
        _ => Place::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_as_markup_is_escaped_and_the_rest_stays() {
        for (text, markdown, mrkdwn) in [
            ("10.0.0.1:9100", "10.0.0.1:9100", "10.0.0.1:9100"),
            ("kube_pod-1/x", "kube_pod-1/x", "kube_pod-1/x"),
            (
                "**big** _it_",
                "\\*\\*big\\*\\* \\_it\\_",
                "*\u{200b}*\u{200b}big\u{200b}**\u{200b} _\u{200b}it\u{200b}_",
            ),
            ("[x](http://evil)", "\\[x\\](http\\://evil)", "[x](http://evil)"),
            ("<@&12> @everyone", "\\<@\u{200b}&12> @\u{200b}everyone", "&lt;@\u{200b}&amp;12&gt; @\u{200b}everyone"),
            ("me@x.test", "me@x.test", "me@x.test"),
            ("`rm`", "\\`rm\\`", "\u{2cb}rm\u{2cb}"),
            ("# Title\n- item\n1. one", "\\# Title\n\\- item\n1\\. one", "# Title\n- item\n1. one"),
            ("-1 a-b a.b", "-1 a-b a.b", "-1 a-b a.b"),
            ("a & b &lt;c", "a & b \\&lt;c", "a &amp; b &amp;lt;c"),
            ("||spoiler||", "\\|\\|spoiler\\|\\|", "||spoiler||"),
            ("\\", "\\\\", "\\"),
            ("سلام 🔥", "سلام 🔥", "سلام 🔥"),
        ] {
            assert_eq!(Dialect::Markdown.escape(text), markdown, "{text}");
            assert_eq!(Dialect::Mrkdwn.escape(text), mrkdwn, "{text}");
        }
        assert_eq!(Dialect::TelegramFirst.escape("a_b*"), "a\\_b\\*");
        assert_eq!(Dialect::TelegramSecond.escape("1.5"), "1\\.5");
    }

    #[test]
    fn telegrams_first_markdown_has_no_backslashes_within_marks() {
        let value = Foreign { text: "a_b*c]`d".into(), form: Form::Text };
        for (before, want) in [
            ("x ", "a\\_b\\*c]\\`d"),
            ("*bold ", "a_b*\\**c]`d"),
            ("_it ", "a_\\__b*c]`d"),
            ("*bold* ", "a\\_b\\*c]\\`d"),
            ("[", "a_b*c\u{ff3d}`d"),
            ("[l](http://x/", "a_b%2Ac%5D%60d"),
            ("[l](http://x/) ", "a\\_b\\*c]\\`d"),
            ("http://x/", "a\\_b%2Ac%5D%60d"),
            ("\\*no ", "a\\_b\\*c]\\`d"),
        ] {
            let mut context = MarkupContext::new(Dialect::TelegramFirst);
            context.feed(before);
            assert_eq!(context.write(&value), want, "{before}");
        }
        let link = Foreign { text: "http://x/a_b".into(), form: Form::Url };
        assert_eq!(Dialect::TelegramFirst.write(&link), "http://x/a\\_b");
    }

    #[test]
    fn a_text_is_escaped_for_the_place_it_lands_in() {
        let value = Foreign { text: "a`b *c*) d".into(), form: Form::Text };
        for (before, want) in [
            ("x ", "a\\`b \\*c\\*) d"),
            ("`", "a\u{2cb}b *c*) d"),
            ("```\n", "a\u{2cb}b *c*) d"),
            ("`x` ", "a\\`b \\*c\\*) d"),
            ("[l](http://x/", "a%60b%20%2Ac%2A%29%20d"),
            ("[l](http://x/(y)", "a%60b%20%2Ac%2A%29%20d"),
            ("[l](http://x/) ", "a\\`b \\*c\\*) d"),
            ("see https://x/?q=", "a%60b%20%2Ac%2A%29%20d"),
            ("<@&", "abcd"),
            ("\\`", "a\\`b \\*c\\*) d"),
        ] {
            let mut context = MarkupContext::new(Dialect::Markdown);
            context.feed(before);
            assert_eq!(context.write(&value), want, "{before}");
        }
    }
}
