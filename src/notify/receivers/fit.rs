//! Making messages fit: what a service takes at most, and cutting what is longer where it hurts least. Whole alerts go
//! first, resolved ones before firing ones; only when one alone is too long its text is cut, so that it stays well formed.

use crate::template::markup::Dialect;

/// In what a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Unicode characters.
    Chars,
    /// Bytes of UTF-8.
    Bytes,
    /// Units of UTF-16.
    Utf16,
    /// Bytes of the text as a string in JSON.
    Json,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markup {
    Plain,
    /// A few tags in a chat.
    Html,
    /// A document.
    Mail,
    Markdown,
    /// Telegram's first Markdown.
    MarkdownV1,
    /// Telegram's second Markdown, in which nearly everything is reserved.
    MarkdownV2,
    /// Slack's, and Google Chat's.
    Mrkdwn,
}

/// What a field may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub most: usize,
    pub unit: Unit,
    pub markup: Markup,
}

impl Limit {
    /// So many characters.
    pub const fn chars(most: usize) -> Self {
        Limit { most, unit: Unit::Chars, markup: Markup::Plain }
    }

    /// So many bytes.
    pub const fn bytes(most: usize) -> Self {
        Limit { most, unit: Unit::Bytes, markup: Markup::Plain }
    }

    /// So many units of UTF-16.
    pub const fn utf16(most: usize) -> Self {
        Limit { most, unit: Unit::Utf16, markup: Markup::Plain }
    }

    /// So many bytes in JSON.
    pub const fn json(most: usize) -> Self {
        Limit { most, unit: Unit::Json, markup: Markup::Plain }
    }

    /// The same for a text with markup.
    pub const fn of(self, markup: Markup) -> Self {
        Limit { markup, ..self }
    }

    /// How long a text is, as this limit counts.
    pub fn measure(&self, text: &str) -> usize {
        match self.unit {
            Unit::Bytes => text.len(),
            Unit::Chars => text.chars().count(),
            _ => text.chars().map(|c| self.width(c)).sum(),
        }
    }

    fn width(&self, c: char) -> usize {
        match self.unit {
            Unit::Chars => 1,
            Unit::Bytes => c.len_utf8(),
            Unit::Utf16 => c.len_utf16(),
            Unit::Json => match c {
                '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => 2,
                c if u32::from(c) < 0x20 => 6,
                c => c.len_utf8(),
            },
        }
    }

    /// Whether a text is short enough.
    pub fn holds(&self, text: &str) -> bool {
        self.measure(text) <= self.most
    }

    /// What is left beside `text` and the ends of lines around it.
    pub fn less(&self, text: &str) -> Self {
        let ends = if text.is_empty() { 0 } else { 2 * self.width('\n') };
        Limit { most: self.most.saturating_sub(self.measure(text) + ends), ..*self }
    }

    /// The text, cut with an ellipsis when it is too long. What is open in its markup is closed.
    pub fn cut(&self, text: &str) -> String {
        if self.holds(text) {
            return text.to_owned();
        }
        match self.markup {
            Markup::Html | Markup::Mail => self.cut_html(text),
            Markup::Plain => format!("{}{}", self.head(text, self.ellipsis().1), self.ellipsis().0),
            _ => self.cut_markdown(text),
        }
    }

    /// An ellipsis and its length; nothing where there is no room for it.
    fn ellipsis(&self) -> (&'static str, usize) {
        let length = self.width('…');
        if self.most > 3 { ("…", length) } else { ("", 0) }
    }

    /// The beginning of a text, so much shorter than the limit.
    fn head<'t>(&self, text: &'t str, less: usize) -> &'t str {
        let (mut left, mut end) = (self.most.saturating_sub(less), 0);
        for (at, c) in text.char_indices() {
            let width = self.width(c);
            if width > left {
                break;
            }
            left -= width;
            end = at + c.len_utf8();
        }
        text.get(..end).unwrap_or("")
    }

    /// At the end of a line where that costs little, before a link that would be torn, with code that is open closed.
    fn cut_markdown(&self, text: &str) -> String {
        const FENCE: &str = "```";
        let mut head = self.head(text, self.ellipsis().1 + 1 + FENCE.len());
        for (open, close) in [('<', '>'), ('[', ')')] {
            if let Some(at) = head.rfind(open)
                && !head.get(at..).is_some_and(|rest| rest.contains(close))
            {
                head = head.get(..at).unwrap_or(head);
            }
        }
        if let Some(line) = head.rfind('\n').filter(|at| *at * 2 > head.len()) {
            head = head.get(..line).unwrap_or(head);
        }
        head = head.strip_suffix('\\').unwrap_or(head);
        let open = if head.matches(FENCE).count() % 2 == 1 { "\n```" } else { "" };
        format!("{head}{}{open}", self.ellipsis().0)
    }

    /// Between tags and entities, with the tags that are open closed.
    fn cut_html(&self, text: &str) -> String {
        let mut open: Vec<&str> = Vec::new();
        let (mut out, mut used, mut closing) = (String::new(), self.ellipsis().1, 0);
        for piece in pieces(text) {
            let mut stack = open.clone();
            match tag(piece) {
                Some((name, true)) => {
                    if let Some(at) = stack.iter().rposition(|t| t.eq_ignore_ascii_case(name)) {
                        stack.truncate(at);
                    }
                }
                Some((name, false)) => stack.push(name),
                None => {}
            }
            let needed: usize = stack.iter().map(|name| name.len() + 3).sum();
            if used + self.measure(piece) + needed > self.most || stack.len() > DEEPEST {
                break;
            }
            used += self.measure(piece);
            (open, closing) = (stack, needed);
            out.push_str(piece);
        }
        if used + closing <= self.most {
            out.push_str(self.ellipsis().0);
        }
        for name in open.iter().rev() {
            out.push_str(&format!("</{name}>"));
        }
        out
    }
}

/// The longest tag or comment, and the longest entity, in bytes: what goes on for longer is text.
const LONGEST_TAG: usize = 8192;
const LONGEST_ENTITY: usize = 12;
/// How deep tags may nest in a text that is cut: it ends where they nest deeper.
const DEEPEST: usize = 256;

/// A text in HTML as tags, entities and characters: what may not be torn.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    // What was searched for the end of a tag in vain is not searched again.
    let (mut at, mut searched) = (0, 0);
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let c = rest.chars().next()?;
        let within = |from: usize, most: usize| text.get(from..text.floor_char_boundary(at + most)).unwrap_or("");
        let end = match c {
            '<' => {
                let from = searched.max(at);
                let found = within(from, LONGEST_TAG).find('>');
                if found.is_none() {
                    searched = from.max(text.floor_char_boundary(at + LONGEST_TAG));
                }
                match found {
                    Some(_) if rest.starts_with("<!--") => within(at, LONGEST_TAG).find("-->").map(|end| at + end + 3),
                    found => found.map(|end| from + end + 1),
                }
            }
            '&' => within(at, LONGEST_ENTITY).find(';').map(|end| at + end + 1),
            _ => None,
        };
        let end = end.unwrap_or(at + c.len_utf8());
        let piece = text.get(at..end);
        at = end;
        piece
    })
}

/// What a text in HTML says, without its tags.
pub(super) fn text_of_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            "&lt;" => out.push('<'),
            "&gt;" => out.push('>'),
            "&amp;" => out.push('&'),
            "&#34;" | "&quot;" => out.push('"'),
            "&#39;" => out.push('\''),
            "&#43;" => out.push('+'),
            "<br>" | "<br/>" | "<br />" => out.push('\n'),
            tag if tag.len() > 1 && tag.starts_with('<') => {}
            other => out.push_str(other),
        }
    }
    out
}

/// Elements without an end.
const VOID: [&str; 8] = ["br", "hr", "img", "meta", "link", "input", "wbr", "col"];

/// The name of a tag that opens or closes an element, and whether it closes it.
fn tag(piece: &str) -> Option<(&str, bool)> {
    let inner = piece.strip_prefix('<')?.strip_suffix('>')?;
    let closes = inner.starts_with('/');
    let inner = inner.trim_start_matches('/');
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(inner.len());
    let name = inner.get(..end).filter(|name| !name.is_empty())?;
    let is_void = inner.ends_with('/') || VOID.iter().any(|v| name.eq_ignore_ascii_case(v));
    (!is_void).then_some((name, closes))
}

impl Markup {
    pub fn is_html(self) -> bool {
        matches!(self, Markup::Html | Markup::Mail)
    }

    /// Text as this markup writes it.
    pub fn escape(self, text: &str) -> String {
        match self {
            Markup::Html | Markup::Mail => crate::template::escape::html(text),
            _ => self.dialect().map_or_else(|| text.to_owned(), |dialect| dialect.escape(text)),
        }
    }

    /// The markup in which templates escape what alerts bring in.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Markup::Plain | Markup::Html | Markup::Mail => None,
            Markup::Markdown => Some(Dialect::Markdown),
            Markup::MarkdownV1 => Some(Dialect::TelegramFirst),
            Markup::MarkdownV2 => Some(Dialect::TelegramSecond),
            Markup::Mrkdwn => Some(Dialect::Mrkdwn),
        }
    }

    pub fn line_end(self) -> &'static str {
        if self == Markup::Mail { "<br>\n" } else { "\n" }
    }

    /// A paragraph of its own.
    pub fn paragraph(self, text: &str) -> String {
        if self == Markup::Mail { format!("<p dir=\"auto\">{text}</p>") } else { text.to_owned() }
    }

    /// How many more alerts there are, and where; nothing for none.
    pub fn more(self, count: usize, link: &str) -> String {
        if count == 0 {
            return String::new();
        }
        let text = self.escape(&format!("… and {count} more: "));
        let anchor = match self {
            Markup::Html | Markup::Mail => {
                let link = crate::template::escape::html(link);
                format!("<a href=\"{link}\">{link}</a>")
            }
            Markup::Mrkdwn => format!("<{link}>"),
            Markup::MarkdownV2 => self.escape(link),
            Markup::Plain | Markup::Markdown | Markup::MarkdownV1 => link.to_owned(),
        };
        self.paragraph(&format!("{text}{anchor}"))
    }
}

/// A text with a paragraph after it; in a document, inside of it.
pub(super) fn append(text: &str, tail: &str, markup: Markup) -> String {
    if tail.is_empty() || text.is_empty() {
        return format!("{text}{tail}");
    }
    let end = if markup == Markup::Mail { text.rfind("</body>") } else { None };
    match end {
        Some(at) => format!("{}{tail}\n{}", text.get(..at).unwrap_or(text), text.get(at..).unwrap_or("")),
        None => format!("{}\n{tail}", text.trim_end_matches('\n')),
    }
}

/// At most so many characters, the last one an ellipsis when there were more.
pub(super) fn truncate(text: &str, most: usize) -> String {
    Limit::chars(most).cut(text)
}

/// How often a text is made anew to see how many alerts fit.
const MOST_TRIES: usize = 8;

/// The largest number below `all` for which `make` gives something that fits, as far as a few tries tell, and that. The
/// search begins at `guess`.
pub(super) fn most_that_fits<T>(all: usize, guess: usize, make: impl Fn(usize) -> Option<T>) -> Option<(usize, T)> {
    let (mut fits, mut fails) = (None, all);
    let mut next = guess.min(all.saturating_sub(1)).max(1);
    for _ in 0..MOST_TRIES {
        let low = fits.as_ref().map_or(0, |(kept, _)| *kept);
        if next <= low || next >= fails {
            break;
        }
        match make(next) {
            Some(made) => fits = Some((next, made)),
            None => fails = next,
        }
        let low = fits.as_ref().map_or(0, |(kept, _)| *kept);
        // Nearly as many as there may be are enough.
        if fits.is_some() && fails - low <= 1 + low / 16 {
            break;
        }
        let middle = low + (fails - low) / 2;
        // Above what fits nothing was tried yet: the guess is not far off.
        next = if fits.is_some() && fails == all { (low * 2).min(middle) } else { middle };
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(truncate("abcdef", 6), "abcdef");
        assert_eq!(truncate("abcdef", 5), "abcd…");
        assert_eq!(truncate("سلام عليكم", 4), "سلا…");
        assert_eq!(Limit::bytes(8).cut("سلام"), "سلام");
        assert_eq!(Limit::bytes(7).cut("سلام"), "سل…");
        assert_eq!(Limit::utf16(5).cut("🔥🔥🔥"), "🔥🔥…");
        assert_eq!(Limit::json(8).cut("a\nb\"c\td"), "a\nb…");
    }

    #[test]
    fn html_is_cut_so_that_it_stays_well_formed() {
        let limit = |most| Limit::utf16(most).of(Markup::Html);
        for (text, most, want) in [
            ("<b>firing</b> and more", 12, "<b>firi…</b>"),
            ("<b>firing</b> and more", 17, "<b>firing</b> an…"),
            ("a &lt;tag&gt; b", 8, "a &lt;t…"),
            ("a &lt;tag&gt; b", 5, "a …"),
            ("x<a href=\"http://long.example/\">y</a>", 20, "x…"),
            ("a<br>b<br>c<br>d", 12, "a<br>b<br>c…"),
        ] {
            let got = limit(most).cut(text);
            assert_eq!(got, want, "{text} {most}");
            assert!(limit(most).holds(&got));
        }
    }

    #[test]
    fn what_only_looks_like_a_tag_or_an_entity_is_text() {
        let endless = format!("<{}>", "a".repeat(LONGEST_TAG));
        assert_eq!(pieces(&endless).next(), Some("<"));
        assert_eq!(pieces(&endless[1..]).count(), endless.len() - 1);
        assert_eq!(pieces("&lt;&amp;&nothing at all;").take(3).collect::<Vec<_>>(), ["&lt;", "&amp;", "&"]);
        assert_eq!(pieces("<é>").count(), 1);
        // A million of either is read in one go.
        let hostile = "<&".repeat(500_000);
        assert_eq!(text_of_html(&hostile), hostile);
        assert!(Limit::bytes(262_144).of(Markup::Mail).cut(&hostile).len() <= 262_144);
        let deep = Limit::bytes(262_144).of(Markup::Mail).cut(&"<b>".repeat(500_000));
        assert_eq!(deep, format!("{}…{}", "<b>".repeat(DEEPEST), "</b>".repeat(DEEPEST)));
    }

    #[test]
    fn markdown_is_cut_at_lines_and_not_in_links_or_code() {
        let limit = |most| Limit::chars(most).of(Markup::Mrkdwn);
        assert_eq!(limit(20).cut("one line\ntwo lines\nthree lines"), "one line…");
        assert_eq!(limit(30).cut("see <http://example.com/a/very/long/link|it> now"), "see …");
        assert_eq!(limit(20).cut("```\ncode code code code\n```"), "```\ncode code c…\n```");
    }

    #[test]
    fn as_many_alerts_are_kept_as_fit() {
        for (all, guess, limit) in [(5000, 17, 20), (5000, 2500, 20), (5000, 100, 700), (2, 1, 1), (10, 9, 3)] {
            let found = most_that_fits(all, guess, |kept| (kept <= limit).then_some(())).map(|(kept, ())| kept);
            let kept = found.unwrap();
            assert!(kept <= limit && kept * 4 >= limit * 3, "{all} {guess} {limit}: {kept}");
        }
        assert_eq!(most_that_fits(1, 1, |_| Some(())), None);
        assert_eq!(most_that_fits(5, 3, |_| None::<()>), None);
    }
}
