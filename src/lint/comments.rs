//! Comments that switch checks off: ours and pint's.
//!
//! `# watchbell disable CHECK` beside, in or directly above a rule, route or receiver speaks of that one;
//! `# watchbell file/disable CHECK` of the file. `snooze TIME CHECK` does so until a time. `ignore/file`, `ignore/line`,
//! `ignore/next-line`, `ignore/begin` and `ignore/end` speak of every check. `# pint ...` does the same, by pint's names or ours.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};

use super::finding::{Finding, Spot};
use crate::model::Position;

/// What the comments of a file say.
#[derive(Clone, Debug, Default)]
pub struct Comments {
    disabled: Vec<Disabled>,
    /// First and last line of what is passed over.
    ignored: Vec<(u32, u32)>,
    /// Lines that are comments alone, ascending.
    bare: Vec<u32>,
    /// Comments of ours that say nothing.
    pub wrong: Vec<(Spot, String)>,
}

#[derive(Clone, Debug)]
struct Disabled {
    line: u32,
    file: bool,
    check: String,
    /// `promql/series(metric)`: only what speaks of that.
    about: Option<String>,
    /// Milliseconds.
    until: Option<i64>,
}

impl Comments {
    /// Reads a file's comments; `is_known` tells which checks there are.
    pub fn read(file: &Arc<str>, text: &str, is_known: impl Fn(&str) -> bool) -> Self {
        let mut comments = Comments::default();
        let mut began = None;
        let mut last = 0;
        for (number, line) in (1_u32..).zip(text.lines()) {
            last = number;
            let begins = line.trim_start();
            if begins.starts_with('#') {
                comments.bare.push(number);
            }
            let Some((column, ours, words)) = comment(line) else { continue };
            let wrong = match words.as_slice() {
                ["ignore/file"] => {
                    comments.ignored.push((0, u32::MAX));
                    None
                }
                ["ignore/line"] => {
                    comments.ignored.push((number, number));
                    None
                }
                ["ignore/next-line"] => {
                    comments.ignored.push((number + 1, number + 1));
                    None
                }
                ["ignore/begin"] => {
                    began = began.or(Some(number));
                    None
                }
                ["ignore/end"] => {
                    comments.ignored.extend(began.take().map(|from| (from, number)));
                    None
                }
                words => match disabled(number, words) {
                    Some(disabled) if ours && !is_known(&disabled.check) => {
                        Some(format!("there is no check {:?}", disabled.check))
                    }
                    Some(disabled) => {
                        comments.disabled.push(disabled);
                        None
                    }
                    None => ours.then(|| format!("this comment says nothing to the linter: {:?}", words.join(" "))),
                },
            };
            if let Some(wrong) = wrong {
                let at = Position { line: number, column };
                comments.wrong.push((Spot::point(file, at), wrong));
            }
        }
        comments.ignored.extend(began.map(|from| (from, last)));
        comments
    }

    /// Whether a finding is switched off, at a time in milliseconds.
    pub fn silence(&self, finding: &Finding, now: i64) -> bool {
        let at = finding.spot.from.line;
        if self.ignored.iter().any(|(from, to)| (*from..=*to).contains(&at)) {
            return true;
        }
        let (mut from, to) = finding.spot.around;
        while from > 1 && self.bare.binary_search(&(from - 1)).is_ok() {
            from -= 1;
        }
        let speaks = |d: &Disabled| {
            finding.check.is_called(&d.check)
                && d.until.is_none_or(|until| now < until)
                && d.about.as_ref().is_none_or(|about| finding.message.contains(about.as_str()))
        };
        self.disabled.iter().any(|d| (d.file || (from..=to).contains(&d.line)) && speaks(d))
    }
}

/// The column of a comment that is ours or pint's, whether it is ours, and its words.
fn comment(line: &str) -> Option<(u32, bool, Vec<&str>)> {
    for (at, _) in line.match_indices('#') {
        let text = line.get(at + 1..)?.trim_start_matches('#').trim_start();
        for (tool, ours) in [("watchbell ", true), ("pint ", false)] {
            let Some(rest) = text.strip_prefix(tool) else { continue };
            // What follows a further sign is for people.
            let words: Vec<&str> = rest.split(" #").next().unwrap_or_default().split_whitespace().collect();
            let first = words.first().copied().unwrap_or_default();
            let is_word = ["ignore/", "file/", "disable", "snooze"].iter().any(|word| first.starts_with(word));
            // A sentence may begin with our name.
            if is_word {
                let column = line.get(..at)?.chars().count() + 1;
                return Some((u32::try_from(column).unwrap_or(0), ours, words));
            }
        }
    }
    None
}

fn disabled(line: u32, words: &[&str]) -> Option<Disabled> {
    let (verb, rest) = words.split_first()?;
    let (file, verb) = verb.strip_prefix("file/").map_or((false, *verb), |verb| (true, verb));
    let (until, check) = match (verb, rest) {
        ("disable", rest) => (None, rest),
        ("snooze", [until, check @ ..]) => (Some(time(until)?), check),
        _ => return None,
    };
    let check = check.join(" ");
    let (check, about) = match check.split_once('(') {
        Some((check, about)) => (check.to_owned(), Some(about.trim_end_matches(')').to_owned())),
        None => (check, None),
    };
    (!check.is_empty()).then_some(Disabled { line, file, check, about, until })
}

/// A time, or a day, in milliseconds.
fn time(text: &str) -> Option<i64> {
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let at = DateTime::parse_from_rfc3339(text).ok().map(|t| t.timestamp_millis());
    at.or_else(|| day().map(|t| t.and_utc().timestamp_millis()))
}
