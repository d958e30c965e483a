//! Where a recorded metric, a receiver or a template is defined.

use lsp_types::{Location, Range};

use super::project::{Definition, Facts, Project, uri_of};
use super::text::{Encoding, Lines, key_at, name_at, value_at, word_of};

/// So many places are given.
const MOST: usize = 100;

/// Where what is named at a byte is defined, in all files of the project.
pub fn definitions(project: &Project, encoding: Encoding, text: &str, offset: usize) -> Vec<Location> {
    let find = |name: &str, of: fn(&Facts) -> &Vec<Definition>| find(project, encoding, name, of);
    if let Some(name) = template(text, offset) {
        return find(name, |facts| &facts.templates);
    }
    match key_at(text, offset) {
        Some(("expr", _)) => find(name_at(text, offset).text, |facts| &facts.records),
        Some(("receiver", start)) => find(value_at(text, start).text, |facts| &facts.receivers),
        _ => Vec::new(),
    }
}

/// The name in `{{ template "name" . }}` around a byte.
fn template(text: &str, offset: usize) -> Option<&str> {
    let word = word_of(text, offset, |c| !matches!(c, '"' | '\n' | '{' | '}'));
    let before = text.get(..word.start)?.strip_suffix('"')?;
    let before = before.trim_end_matches('\\').trim_end();
    (before.ends_with("template") || before.ends_with("include")).then_some(word.text)
}

fn find(project: &Project, encoding: Encoding, name: &str, of: fn(&Facts) -> &Vec<Definition>) -> Vec<Location> {
    let mut found = Vec::new();
    for (path, facts) in project.facts() {
        let mut same = of(facts).iter().filter(|definition| definition.name == name).peekable();
        let (Some(_), Some(uri)) = (same.peek(), uri_of(path)) else { continue };
        let shown = project.text_of(path);
        let lines = Lines::new(&shown, encoding);
        found.extend(same.take(MOST - found.len()).map(|definition| {
            let start = lines.position(definition.at);
            Location { uri: uri.clone(), range: Range { start, end: start } }
        }));
    }
    found
}
