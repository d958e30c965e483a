//! What is wrong with a document, as `watchbell check` says it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{DiagnosticSeverity, NumberOrString, Range};

use super::super::check_paths::{Kind, kind_of_text, template};
use super::text::{self, Encoding, Lines};
use crate::clock::{Clock, SystemClock};
use crate::config::web::WebConfig;
use crate::config::{AlertmanagerConfig, Config};
use crate::lint::format::Texts;
use crate::lint::settings::Settings;
use crate::lint::{self, Corpus, Finding, Severity};
use crate::model::{Diagnostic, Position};
use crate::notify::receivers::check;
use crate::notify::templates;
use crate::rules::{self, LoadOptions};
use crate::ruletest;

/// So many are told of a document.
const MOST: usize = 500;
/// Checks that need all files of a project: here one is looked at.
const OF_ALL_FILES: [&str; 1] = ["rule/unrecorded"];

/// A text, and where it stands.
#[derive(Clone, Debug)]
pub struct Page {
    /// The file as it is: what it names is relative to its folder.
    pub path: PathBuf,
    /// The file as settings name it: from the project's folder on.
    pub name: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// What columns count.
    pub encoding: Encoding,
}

/// What is wrong with a text.
pub fn diagnose(page: &Page, settings: &Settings) -> Vec<lsp_types::Diagnostic> {
    let lines = Lines::new(&page.text, page.encoding);
    let mut corpus = Corpus::default();
    match read(page, &mut corpus) {
        Err(defects) => {
            defects.iter().take(MOST).map(|defect| of_defect(page, &lines, defect, DiagnosticSeverity::ERROR)).collect()
        }
        Ok(notes) => {
            let notes = notes.iter().map(|note| of_defect(page, &lines, note, DiagnosticSeverity::WARNING));
            let found = findings(page, &corpus, settings);
            let found = found.iter().map(|found| of_finding(page, &lines, found));
            notes.chain(found).take(MOST).collect()
        }
    }
}

/// Reads a text as what it is, and puts into the corpus what is linted; what it says without effect is given.
fn read(page: &Page, corpus: &mut Corpus) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let (path, text) = (&*page.path.to_string_lossy(), &*page.text);
    let name = &*page.name.to_string_lossy();
    match kind_of_text(&page.path, text) {
        Kind::Rules => {
            let groups = rules::load_str(name, text, &LoadOptions::default())?;
            let notes = groups.iter().flat_map(|group| group.notes.clone()).collect();
            corpus.add_rules(name, text, groups);
            Ok(notes)
        }
        Kind::Alertmanager => {
            let config = AlertmanagerConfig::load_str(path, text)?.config;
            let mut missing = Vec::new();
            let templates = templates::read(&config, &mut missing);
            if !missing.is_empty() {
                return Err(missing);
            }
            let notes = check::warnings(path, text, &config, &templates);
            corpus.add_routing(name, text, config);
            Ok(notes)
        }
        Kind::Config => {
            let notes = Config::load_str(path, text, &|variable| std::env::var(variable).ok())?.notes;
            if notes.refused.is_empty() { Ok(notes.warnings) } else { Err(notes.refused) }
        }
        Kind::Web => WebConfig::load_str(path, text).map(|_| Vec::new()),
        Kind::Tests => ruletest::parse::parse(path, text, false).map(|_| Vec::new()),
        Kind::Template => template(&page.path, text).map(|()| Vec::new()),
        Kind::Unreadable(why) => Err(vec![why]),
        Kind::Silences | Kind::Other(_) => Ok(Vec::new()),
    }
}

fn findings(page: &Page, corpus: &Corpus, settings: &Settings) -> Vec<Finding> {
    let texts: Texts = [(Arc::from(&*page.name.to_string_lossy()), page.text.clone())].into_iter().collect();
    let found = lint::checks(corpus, settings).into_iter().filter(|f| !OF_ALL_FILES.contains(&f.check.name)).collect();
    lint::finish(found, &texts, settings, SystemClock.now())
}

/// What is told of another file, such as a template that is missing, stands at the top, with its place.
fn of_defect(
    page: &Page,
    lines: &Lines<'_>,
    defect: &Diagnostic,
    severity: DiagnosticSeverity,
) -> lsp_types::Diagnostic {
    let file = Path::new(&*defect.file);
    let (at, message) = match file == page.path || file == page.name {
        true => (defect.position, defect.message.clone()),
        false => (Position::default(), defect.to_string()),
    };
    lsp_types::Diagnostic {
        range: range(&page.text, lines, at, at),
        severity: Some(severity),
        source: Some("watchbell".into()),
        message,
        ..lsp_types::Diagnostic::default()
    }
}

fn of_finding(page: &Page, lines: &Lines<'_>, found: &Finding) -> lsp_types::Diagnostic {
    let severity = match found.severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Info => DiagnosticSeverity::INFORMATION,
    };
    // What an object holds encoded has no place in it.
    let (from, to) = match *found.spot.file == *page.name.to_string_lossy() {
        true => (found.spot.from, found.spot.to),
        false => (Position::default(), Position::default()),
    };
    lsp_types::Diagnostic {
        range: range(&page.text, lines, from, to),
        severity: Some(severity),
        code: Some(NumberOrString::String(found.check.name.into())),
        source: Some("watchbell".into()),
        message: format!("{}\n{}", found.message, found.check.fix),
        ..lsp_types::Diagnostic::default()
    }
}

/// Two places as a range; of a point the word there.
fn range(text: &str, lines: &Lines<'_>, from: Position, to: Position) -> Range {
    let start = lines.position(from);
    if from != to {
        return Range { start, end: lines.position(to) };
    }
    let word = lines.range(&text::name_at(text, lines.offset(start)));
    Range { start, end: word.end.max(start) }
}
