//! Changes that put findings right by themselves.

use std::collections::BTreeSet;

use super::finding::{Edit, Finding};

/// A text with the changes of its findings carried out, and the numbers of those findings. A change whose place holds
/// something else by now, or that another change has touched, is left out.
pub fn apply<'f>(text: &str, found: impl Iterator<Item = (usize, &'f Finding)>) -> (String, BTreeSet<usize>) {
    let mut places: Vec<(usize, &Edit, usize)> = found
        .filter_map(|(number, finding)| Some((number, finding.edit.as_ref()?)))
        .filter_map(|(number, edit)| Some((offset(text, edit)?, edit, number)))
        .filter(|(at, edit, _)| text.get(*at..).is_some_and(|rest| rest.starts_with(&edit.old)))
        .collect();
    places.sort_by_key(|(at, ..)| *at);
    let (mut out, mut written, mut done) = (String::with_capacity(text.len()), 0, BTreeSet::new());
    for (at, edit, number) in places {
        let Some(between) = text.get(written..at) else { continue };
        out.push_str(between);
        out.push_str(&edit.new);
        written = at + edit.old.len();
        done.insert(number);
    }
    out.push_str(text.get(written..).unwrap_or_default());
    (out, done)
}

fn offset(text: &str, edit: &Edit) -> Option<usize> {
    let line = usize::try_from(edit.at.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(edit.at.column).ok()?.checked_sub(1)?;
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..)?;
    Some(before + rest.chars().take(column).map(char::len_utf8).sum::<usize>())
}
