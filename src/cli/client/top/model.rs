//! What is shown and what keys do, apart from how it is drawn and from who is asked.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::rows::{self, Row, Subject, safe};
use super::view::{Answer, Looked, Section, Wish};
use crate::model::{Labels, Matcher, duration};

/// Longest text that a form takes, characters.
const LONGEST: usize = 500;
/// An answer that takes longer is told to be awaited, milliseconds.
const SLOW: i64 = 5_000;
/// How far a page goes.
const PAGE: usize = 10;

/// What a form is for.
#[derive(Debug)]
pub(super) enum Asking {
    Silence(Labels),
    Acknowledge(String),
}

/// What lies over the lists.
#[derive(Debug)]
pub(super) enum Over {
    Nothing,
    /// A text, and its first line that is shown.
    Text(String, usize),
    /// A line that is typed.
    Form(Asking, String),
}

/// What was seen, the rows of each section, and when it was, milliseconds of this machine's clock.
pub(super) struct Seen {
    pub looked: Looked,
    rows: [Vec<Row>; 4],
    pub at: i64,
}

/// All that is shown.
pub(super) struct Model {
    pub url: String,
    pub seen: Option<Seen>,
    /// Why the last look failed, and since when looks fail.
    pub trouble: Option<(String, i64)>,
    pub section: Section,
    /// The row that each section's cursor is at.
    cursors: [usize; 4],
    pub over: Over,
    /// What came of the last wish.
    pub note: String,
    comment_required: bool,
    all: bool,
    /// How old a view may be before that is told, milliseconds.
    patience: i64,
}

/// What the key `?` shows.
const HELP: &str = "\
Tab, Shift-Tab, 1-4  go to a list
↑ ↓ k j              go to a row; PgUp, PgDn, Home, End
Enter, e             explain why the alert is told or not; show another row whole
s                    silence the alert: its duration, then a comment
a                    acknowledge the alert, until it resolves
m                    show all alerts of each group, or the first ten
r                    look now
Esc                  close what is open
Ctrl-L               write the screen anew
q, Ctrl-C            end
";

impl Model {
    /// Nothing is known yet.
    pub fn new(url: &str, comment_required: bool, interval: i64) -> Model {
        Model {
            url: shown_url(url),
            seen: None,
            trouble: None,
            section: Section::Firing,
            cursors: [0; 4],
            over: Over::Nothing,
            note: String::new(),
            comment_required,
            all: false,
            patience: interval.saturating_add(SLOW),
        }
    }

    /// How old the view is, where no look has failed and yet none has come for long.
    pub fn overdue(&self, now: i64) -> Option<i64> {
        let age = now.saturating_sub(self.seen.as_ref()?.at);
        Some(age).filter(|age| self.trouble.is_none() && *age > self.patience)
    }

    /// Whether all alerts of each group are asked for.
    pub fn shows_all(&self) -> bool {
        self.all
    }

    /// The rows of a section.
    pub fn rows(&self, section: Section) -> &[Row] {
        self.seen.as_ref().and_then(|seen| seen.rows.get(section as usize)).map_or(&[], Vec::as_slice)
    }

    /// The row that the cursor of a section is at.
    pub fn cursor(&self, section: Section) -> usize {
        self.cursors.get(section as usize).copied().unwrap_or(0)
    }

    fn set_cursor(&mut self, section: Section, row: usize) {
        if let Some(cursor) = self.cursors.get_mut(section as usize) {
            *cursor = row;
        }
    }

    /// Takes what came.
    pub fn answer(&mut self, answer: Answer, at: i64) {
        match answer {
            Answer::Looked(Ok(looked)) => self.see(looked, at),
            Answer::Looked(Err(e)) => {
                let since = self.trouble.as_ref().map_or(at, |(_, since)| *since);
                self.trouble = Some((safe(&e), since));
            }
            // Who types by now is not to lose it.
            Answer::Explained(_) if matches!(self.over, Over::Form(..)) => {}
            Answer::Explained(Ok(text)) => {
                self.note.clear();
                self.over = Over::Text(text, 0);
            }
            Answer::Done(Ok(said)) => self.note = safe(&said),
            Answer::Explained(Err(e)) | Answer::Done(Err(e)) => self.note = format!("it failed: {}", safe(&e)),
        }
    }

    /// Takes a new view; cursors stay at what they were at, wherever that stands now.
    fn see(&mut self, looked: Looked, at: i64) {
        let before = Section::ALL.map(|section| self.rows(section).get(self.cursor(section))?.subject.key());
        self.trouble = None;
        let rows = Section::ALL.map(|section| rows::of(section, &looked));
        self.seen = Some(Seen { looked, rows, at });
        for (section, key) in Section::ALL.into_iter().zip(before) {
            let rows = self.rows(section);
            let same = key.and_then(|key| rows.iter().position(|row| row.subject.key().as_ref() == Some(&key)));
            let row = same.unwrap_or_else(|| self.cursor(section)).min(rows.len().saturating_sub(1));
            self.set_cursor(section, row);
        }
    }

    /// Does what a key says.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Wish::Quit,
                KeyCode::Char('l') => Wish::Redraw,
                _ => Wish::Nothing,
            };
        }
        match std::mem::replace(&mut self.over, Over::Nothing) {
            Over::Nothing => self.key_of_lists(key.code),
            Over::Text(text, line) => self.key_of_text(key.code, text, line),
            Over::Form(asking, text) => self.key_of_form(key.code, asking, text),
        }
    }

    fn key_of_lists(&mut self, code: KeyCode) -> Wish {
        let at = self.cursor(self.section);
        // It was seen: the keys are shown again.
        self.note.clear();
        match code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('r') => return Wish::Look { all: self.all },
            KeyCode::Char('m') => {
                self.all = !self.all;
                return Wish::Look { all: self.all };
            }
            KeyCode::Char('?' | 'h') => self.over = Over::Text(HELP.into(), 0),
            KeyCode::Tab | KeyCode::Right => self.go_to_section(self.section as usize + 1),
            KeyCode::BackTab | KeyCode::Left => self.go_to_section(self.section as usize + Section::ALL.len() - 1),
            KeyCode::Char(digit @ '1'..='4') => self.go_to_section(digit as usize - '1' as usize),
            KeyCode::Up | KeyCode::Char('k') => self.go_to(at.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.go_to(at + 1),
            KeyCode::PageUp => self.go_to(at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.go_to(at + PAGE),
            KeyCode::Home => self.go_to(0),
            KeyCode::End => self.go_to(usize::MAX),
            KeyCode::Enter | KeyCode::Char('e' | 's' | 'a') => return self.act(code),
            _ => {}
        }
        Wish::Nothing
    }

    fn go_to_section(&mut self, index: usize) {
        let at = index % Section::ALL.len();
        self.section = Section::ALL.get(at).copied().unwrap_or(Section::Firing);
    }

    fn go_to(&mut self, row: usize) {
        let last = self.rows(self.section).len().saturating_sub(1);
        self.set_cursor(self.section, row.min(last));
    }

    /// Does something with the row at the cursor.
    fn act(&mut self, code: KeyCode) -> Wish {
        let Some(row) = self.rows(self.section).get(self.cursor(self.section)) else { return Wish::Nothing };
        match (code, &row.subject) {
            (KeyCode::Char('s'), Subject::Alert { labels, .. }) => {
                self.over = Over::Form(Asking::Silence(labels.clone()), "2h ".into());
            }
            (KeyCode::Char('a'), Subject::Alert { fingerprint, fires: true, .. }) => {
                self.over = Over::Form(Asking::Acknowledge(fingerprint.clone()), String::new());
            }
            (KeyCode::Char('s'), _) => self.note = "no alert is chosen".into(),
            (KeyCode::Char('a'), _) => self.note = "no alert that fires is chosen".into(),
            (_, Subject::Alert { fingerprint, .. }) => {
                let wish = Wish::Explain(fingerprint.clone());
                self.note = "asking…".into();
                return wish;
            }
            (_, Subject::Group(_) | Subject::Other(_)) => {
                self.over = Over::Text(row.text().trim_start().to_owned(), 0);
            }
        }
        Wish::Nothing
    }

    fn key_of_text(&mut self, code: KeyCode, text: String, line: usize) -> Wish {
        let last = text.lines().count().saturating_sub(1);
        let line = match code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => return Wish::Nothing,
            KeyCode::Up | KeyCode::Char('k') => line.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => line + 1,
            KeyCode::PageUp => line.saturating_sub(PAGE),
            KeyCode::PageDown | KeyCode::Char(' ') => line + PAGE,
            KeyCode::Home => 0,
            KeyCode::End => last,
            _ => line,
        };
        self.over = Over::Text(text, line.min(last));
        Wish::Nothing
    }

    fn key_of_form(&mut self, code: KeyCode, asking: Asking, mut text: String) -> Wish {
        match code {
            KeyCode::Esc => return Wish::Nothing,
            KeyCode::Enter => match wish(&asking, &text, self.comment_required) {
                Ok(wish) => {
                    self.note = "asking…".into();
                    return wish;
                }
                Err(why) => self.note = why,
            },
            KeyCode::Backspace => _ = text.pop(),
            KeyCode::Char(c) if !c.is_control() && text.chars().count() < LONGEST => text.push(c),
            _ => {}
        }
        self.over = Over::Form(asking, text);
        Wish::Nothing
    }
}

/// What a form asks for.
fn wish(asking: &Asking, text: &str, comment_required: bool) -> Result<Wish, String> {
    match asking {
        Asking::Acknowledge(fingerprint) => {
            Ok(Wish::Acknowledge { fingerprint: fingerprint.clone(), comment: text.trim().into() })
        }
        Asking::Silence(labels) => {
            let (span, comment) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
            let millis = duration::parse(span)?;
            if millis == 0 {
                return Err("silence duration must be greater than 0".into());
            }
            if comment.trim().is_empty() && comment_required {
                return Err("comment required by config: 2h why".into());
            }
            let matchers = labels.iter().map(|(name, value)| Matcher::equal(name, value)).collect();
            Ok(Wish::Silence { matchers, millis, comment: comment.trim().into() })
        }
    }
}

/// The address without what is secret in it.
pub(super) fn shown_url(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            let _ = parsed.set_password(None).and_then(|()| parsed.set_username(""));
            parsed.as_str().trim_end_matches('/').to_owned()
        }
        Err(_) => safe(url),
    }
}
