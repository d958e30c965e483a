//! Tables for the terminal, as Go's tabwriter writes them: cells are as wide as the widest of their column, and two
//! blanks follow each.

use std::io::{self, Write};

use serde_json::Value as Json;

/// Writes a table with its head.
pub(super) fn write(out: &mut dyn Write, head: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0) + 2).collect();
    for row in &all {
        let line: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// A field of an object that is a text; empty when it is not.
pub(super) fn text<'a>(object: &'a Json, field: &str) -> &'a str {
    object[field].as_str().unwrap_or("")
}

/// Labels as amtool writes them: `a="b" c="d"`.
pub(super) fn labels(object: &Json) -> String {
    let pairs = object.as_object().into_iter().flatten();
    let mut texts: Vec<String> = pairs.map(|(n, v)| format!("{n}=\"{}\"", v.as_str().unwrap_or(""))).collect();
    texts.sort();
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut out = Vec::new();
        write(&mut out, &["ID", "Comment"], &[vec!["1234".into(), "é".into()]]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ID    Comment  \n1234  é        \n");
    }
}
