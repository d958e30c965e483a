//! What may stand at a place: functions, metrics and labels in expressions, receivers in routes.

use std::collections::BTreeSet;

use lsp_types::{CompletionItem, CompletionItemKind, CompletionList, CompletionTextEdit, TextEdit};

use super::knowledge::Known;
use super::project::Project;
use super::text::{Lines, Word, key_at, name_at, value_at};
use crate::promql::ast::AggregateOp;
use crate::promql::func::{self, about};

/// So many are offered.
const MOST: usize = 500;

/// What may stand at a byte of a text.
pub fn complete(project: &Project, known: &Known, text: &str, lines: &Lines<'_>, offset: usize) -> CompletionList {
    let nothing = || (Vec::new(), Word { text: "", start: offset });
    let (mut items, word) = match key_at(text, offset) {
        Some(("receiver", start)) => {
            let value = value_at(text, start);
            // Behind a blank, or on a line of its own, another word begins.
            let is_inside = (value.start..=value.start + value.text.len()).contains(&offset);
            let word = if is_inside { value } else { name_at(text, offset) };
            let is_quoted = text.get(..word.start).is_some_and(|before| before.ends_with(['\'', '"']));
            (receivers(project, is_quoted), word)
        }
        Some(("expr", start)) => {
            let word = name_at(text, offset);
            match place(text.get(start..word.start).unwrap_or_default()) {
                Place::Label => (labels(project, known), word),
                Place::Value => nothing(),
                Place::Expression => (expressions(project, known), word),
            }
        }
        _ => nothing(),
    };
    // What is shown of few the client chooses; of many, it asks again as the word grows.
    let is_incomplete = items.len() > MOST;
    if is_incomplete {
        let written = text.get(word.start..offset).unwrap_or_default();
        items.retain(|item| is_part(written, &item.label));
        items.truncate(MOST);
    }
    let range = lines.range(&word);
    for item in &mut items {
        let new_text = item.insert_text.take().unwrap_or_else(|| item.label.clone());
        item.text_edit = Some(CompletionTextEdit::Edit(TextEdit { range, new_text }));
    }
    CompletionList { is_incomplete, items }
}

/// Whether a word's characters come in a name in their order, in whatever case.
fn is_part(word: &str, name: &str) -> bool {
    let mut rest = name.chars().map(|c| c.to_ascii_lowercase());
    word.chars().map(|c| c.to_ascii_lowercase()).all(|c| rest.any(|other| other == c))
}

/// What is expected behind a part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A metric, a function, a number.
    Expression,
    /// The name of a label.
    Label,
    /// A string, or what follows an operator of a matcher.
    Value,
}

/// Keywords whose brackets hold labels.
const OF_LABELS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// What is expected behind a part of an expression.
pub fn place(before: &str) -> Place {
    let mut open: Vec<Place> = Vec::new();
    let mut quote: Option<(char, bool)> = None;
    let (mut word, mut last) = (String::new(), ' ');
    for c in before.chars() {
        match quote {
            Some((q, is_escaped)) => {
                quote = if c == q && !is_escaped { None } else { Some((q, c == '\\' && !is_escaped)) };
                continue;
            }
            None if matches!(c, '"' | '`') => quote = Some((c, false)),
            // A quote of YAML may stand around the whole.
            None if c == '\'' && !last.is_whitespace() => quote = Some((c, false)),
            None if c == '{' => open.push(Place::Label),
            None if c == '(' => {
                let of_labels = OF_LABELS.contains(&word.to_ascii_lowercase().as_str());
                open.push(if of_labels { Place::Label } else { Place::Expression });
            }
            None if matches!(c, '}' | ')') => {
                open.pop();
            }
            None => {}
        }
        if c.is_alphanumeric() || c == '_' {
            word = if last.is_whitespace() || !(last.is_alphanumeric() || last == '_') { String::new() } else { word };
            word.push(c);
        } else if !c.is_whitespace() {
            word.clear();
        }
        if !c.is_whitespace() {
            last = c;
        } else if last.is_alphanumeric() || last == '_' {
            last = ' ';
        }
    }
    match (quote, open.last()) {
        (Some(_), _) => Place::Value,
        (None, Some(Place::Label)) if matches!(last, '{' | '(' | ',') => Place::Label,
        (None, Some(Place::Label)) => Place::Value,
        _ => Place::Expression,
    }
}

fn item(label: &str, kind: CompletionItemKind, detail: Option<String>) -> CompletionItem {
    CompletionItem { label: label.to_owned(), kind: Some(kind), detail, ..CompletionItem::default() }
}

fn receivers(project: &Project, is_quoted: bool) -> Vec<CompletionItem> {
    let names: BTreeSet<&str> =
        project.facts().flat_map(|(_, facts)| &facts.receivers).map(|receiver| receiver.name.as_str()).collect();
    let offered = |name: &str| {
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let quoted = (!is_quoted && !is_plain).then(|| serde_json::Value::from(name).to_string());
        CompletionItem { insert_text: quoted, ..item(name, CompletionItemKind::REFERENCE, None) }
    };
    names.into_iter().map(offered).collect()
}

fn labels(project: &Project, known: &Known) -> Vec<CompletionItem> {
    let names = project.facts().flat_map(|(_, facts)| &facts.labels).chain(&known.labels);
    let names: BTreeSet<&String> = names.collect();
    names.into_iter().map(|name| item(name, CompletionItemKind::PROPERTY, None)).collect()
}

fn expressions(project: &Project, known: &Known) -> Vec<CompletionItem> {
    let recorded = project.facts().flat_map(|(_, facts)| &facts.records).map(|record| &record.name);
    let read = project.facts().flat_map(|(_, facts)| &facts.metrics);
    let metrics: BTreeSet<&String> = recorded.chain(read).chain(&known.metrics).collect();
    let functions = func::all().iter().map(|f| f.name).chain(AggregateOp::ALL.map(AggregateOp::as_str));
    let functions = functions.map(|name| item(name, CompletionItemKind::FUNCTION, about(name).map(str::to_owned)));
    let metrics = metrics.into_iter().map(|name| item(name, CompletionItemKind::VARIABLE, known.about(name)));
    functions.chain(metrics).collect()
}

#[cfg(test)]
mod tests {
    use lsp_types::{Position, Range};

    use super::super::project::{Definition, Facts};
    use super::super::text::Encoding;
    use super::*;

    #[test]
    fn what_is_put_in_takes_the_place_of_the_word_at_the_cursor() {
        let definition = |name: &str| Definition { name: name.into(), at: Default::default(), text: String::new() };
        let facts = Facts { receivers: vec![definition("on call"), definition("ops")], ..Facts::default() };
        let mut project = Project::default();
        project.take(vec![("am.yml".into(), Some(facts))]);
        for (marked, from, to, wanted) in [
            ("receiver: o§p # x", (0, 10), (0, 12), ["\"on call\"", "ops"]),
            ("receiver: 'on c§'", (0, 11), (0, 15), ["on call", "ops"]),
            ("receiver: §", (0, 10), (0, 10), ["\"on call\"", "ops"]),
            ("receiver:   §  ", (0, 12), (0, 12), ["\"on call\"", "ops"]),
            ("receiver:\n  é§", (1, 2), (1, 3), ["\"on call\"", "ops"]),
        ] {
            let (offset, text) = (marked.find('§').unwrap(), marked.replace('§', ""));
            let lines = Lines::new(&text, Encoding::Utf16);
            let list = complete(&project, &Known::default(), &text, &lines, offset);
            let position = |(line, character)| Position { line, character };
            let range = Range { start: position(from), end: position(to) };
            for (item, wanted) in list.items.iter().zip(wanted) {
                let edit = TextEdit { range, new_text: wanted.to_owned() };
                assert_eq!(item.text_edit, Some(CompletionTextEdit::Edit(edit)), "{marked:?}");
            }
            assert_eq!((list.items.len(), list.is_incomplete), (2, false));
        }
    }

    #[test]
    fn many_names_are_narrowed_by_what_is_written() {
        let mut known = Known::default();
        known.metrics.extend((0..1_000).map(|i| format!("metric_{i}")));
        let offered = |text: &str| {
            let lines = Lines::new(text, Encoding::Utf16);
            complete(&Project::default(), &known, text, &lines, text.len())
        };
        let all = offered("expr: ");
        assert_eq!((all.items.len(), all.is_incomplete), (MOST, true));
        let some = offered("expr: m99");
        assert!(some.is_incomplete && some.items.iter().any(|item| item.label == "metric_995"));
        assert!(some.items.iter().all(|item| is_part("m99", &item.label)));
    }

    #[test]
    fn a_word_is_part_of_names_that_have_its_characters_in_order() {
        for (word, name, wanted) in
            [("", "up", true), ("ndL", "node_load1", true), ("ln", "node_load1", false), ("upp", "up", false)]
        {
            assert_eq!(is_part(word, name), wanted, "{word} {name}");
        }
    }

    #[test]
    fn what_is_expected_shows_in_what_stands_before() {
        for (before, wanted) in [
            (" ", Place::Expression),
            (" sum(", Place::Expression),
            (" sum by (", Place::Label),
            (" sum by (job, ", Place::Label),
            (" sum by (job) (", Place::Expression),
            (" up{", Place::Label),
            (" up{job=\"a\", ", Place::Label),
            (" up{job=", Place::Value),
            (" up{job=\"", Place::Value),
            (" up{job=\"a\\\"", Place::Value),
            (" up{job=\"a\"} / on (", Place::Label),
            (" up{job=\"a\"} + ", Place::Expression),
            (" 'rate(x{", Place::Label),
            (" standby (", Place::Expression),
            (" |\n  a\n  + ", Place::Expression),
        ] {
            assert_eq!(place(before), wanted, "{before:?}");
        }
    }
}
