//! Slack's markup, and Google Chat's: `<` begins a link or a mention, so what is neither is written as an entity. What is
//! meant as markup stays, be it in a template or in an annotation.

/// What a `<` may begin.
const MEANT: [&str; 13] = [
    "<http://",
    "<https://",
    "<mailto:",
    "<tel:",
    "<slack://",
    "<!here",
    "<!channel",
    "<!everyone",
    "<!subteam^",
    "<!date^",
    "<users/",
    "<@",
    "<#",
];
/// Entities that are known; what they stand for is escaped already.
const ENTITIES: [&str; 3] = ["&amp;", "&lt;", "&gt;"];

/// Escapes what is no markup; what is escaped stays so.
pub(super) fn tame(text: &str) -> String {
    if !text.contains(['<', '>', '&']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut line_begins = true;
    while let Some(c) = rest.chars().next() {
        let (piece, length) = piece(c, rest, line_begins);
        out.push_str(piece);
        line_begins = c == '\n' || (line_begins && c == '>');
        rest = rest.get(length..).unwrap_or("");
    }
    out
}

/// What stands for the next piece of a text, and how long that is.
fn piece(c: char, rest: &str, line_begins: bool) -> (&str, usize) {
    let as_it_is = |length: usize| (rest.get(..length).unwrap_or(""), length);
    match c {
        '<' if MEANT.iter().any(|m| rest.starts_with(m)) => {
            match rest.find('>').filter(|end| !rest.get(..*end).unwrap_or("").contains('\n')) {
                Some(end) => as_it_is(end + 1),
                None => ("&lt;", 1),
            }
        }
        '<' => ("&lt;", 1),
        // A quotation.
        '>' if line_begins => as_it_is(1),
        '>' => ("&gt;", 1),
        '&' => match ENTITIES.iter().find(|e| rest.starts_with(**e)) {
            Some(entity) => as_it_is(entity.len()),
            None => ("&amp;", 1),
        },
        _ => as_it_is(c.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_stays_and_the_rest_is_escaped_once() {
        for (text, want) in [
            ("High <CPU> & \"more\"", "High &lt;CPU&gt; &amp; \"more\""),
            ("a &lt;b&gt; &amp; c", "a &lt;b&gt; &amp; c"),
            ("<https://x.test/?a=1&b=2|graph> up", "<https://x.test/?a=1&b=2|graph> up"),
            ("<!here> <@U123> <#C1|ops> <!subteam^S1>", "<!here> <@U123> <#C1|ops> <!subteam^S1>"),
            ("> quoted\n>>> more\na > b", "> quoted\n>>> more\na &gt; b"),
            ("<!doctype>", "&lt;!doctype&gt;"),
            ("<https://never.closed", "&lt;https://never.closed"),
        ] {
            assert_eq!(tame(text), want, "{text}");
            assert_eq!(tame(want), want);
        }
    }
}
