//! Changes that put findings right by themselves.

use super::finding::{Edit, Finding};

/// A text with all changes of its findings carried out, and how many there were. A change whose place holds something else
/// by now, or that another change has touched, is left out.
pub fn apply(text: &str, found: &[&Finding]) -> (String, usize) {
    let mut places: Vec<(usize, &Edit)> = found
        .iter()
        .filter_map(|finding| finding.edit.as_ref())
        .filter_map(|edit| Some((offset(text, edit)?, edit)))
        .filter(|(at, edit)| text.get(*at..).is_some_and(|rest| rest.starts_with(&edit.old)))
        .collect();
    places.sort_by_key(|(at, _)| *at);
    let (mut out, mut written, mut count) = (String::with_capacity(text.len()), 0, 0);
    for (at, edit) in places {
        let Some(between) = text.get(written..at) else { continue };
        out.push_str(between);
        out.push_str(&edit.new);
        written = at + edit.old.len();
        count += 1;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    (out, count)
}

fn offset(text: &str, edit: &Edit) -> Option<usize> {
    let line = usize::try_from(edit.at.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(edit.at.column).ok()?.checked_sub(1)?;
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..)?;
    Some(before + rest.chars().take(column).map(char::len_utf8).sum::<usize>())
}
