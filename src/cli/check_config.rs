//! `watchbell check config` and `watchbell check alertmanager`: every defect of a configuration, with its place.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::alertmanager::{Beside, Secrets, matchers};
use crate::config::yaml::{Decoder, Node};
use crate::config::{AlertmanagerConfig, Config, Loaded, expand_globs, read_text, silences};
use crate::lint::{self, Corpus, Finding, Spot};
use crate::model::{Diagnostic, Position};
use crate::notify::receivers::check;
use crate::notify::templates;
use crate::promql::Features;
use crate::rules::{self, LoadOptions};
use crate::service::{ServiceOptions, checks};
use crate::template::alertmanager::Templates;

use super::exit::pointed_out;

/// Has what is checked read as a service with these features reads it, and gives the features of its rules.
///
/// # Errors
/// One is unknown, or contradicts another.
pub(super) fn enable(features: &[String]) -> Result<Features, String> {
    let mut options = ServiceOptions::default();
    options.enable(features.iter().map(String::as_str))?;
    options.notes.iter().for_each(|note| eprintln!("{note}"));
    matchers::read_only(options.matchers);
    Ok(options.query.features)
}

/// Checks configurations and everything they name: rule files, scrape config files, the Alertmanager configuration; and
/// builds what they make a service build, unless `syntax_only`. Discoveries that Watchbell does not speak pass when `lenient`.
/// Returns the exit code: 0 when all are good, else 1.
///
/// # Errors
/// When the report cannot be written.
pub fn run(
    files: &[PathBuf],
    options: &LoadOptions,
    syntax_only: bool,
    lenient: bool,
    out: &mut dyn Write,
) -> io::Result<i32> {
    let mut report = Report { lenient, ..Report::new(out, syntax_only) };
    for file in files {
        report.config(file, options)?;
    }
    Ok(report.code())
}

/// Checks Alertmanager configurations, plain or in Kubernetes Secrets. Returns the exit code.
///
/// # Errors
/// When the report cannot be written.
pub fn run_alertmanager(files: &[PathBuf], syntax_only: bool, out: &mut dyn Write) -> io::Result<i32> {
    let mut report = Report::new(out, syntax_only).among(files.to_vec());
    for file in files {
        report.alertmanager(file)?;
    }
    Ok(report.code())
}

/// Rule files that are named without a `*` and are not there. A service starts without them, as Prometheus does.
fn missing_rule_files(file: &Path, config: &Config) -> Vec<Diagnostic> {
    let is_missing = |path: &String| !path.contains('*') && expand_globs(std::slice::from_ref(path)).is_empty();
    if !config.rule_files.iter().any(is_missing) {
        return Vec::new();
    }
    // It was read a moment ago; without it the defects have no places.
    let text = read_text(file).unwrap_or_default();
    let name: Arc<str> = file.to_string_lossy().into();
    let decoder = Decoder::new(name.clone(), &text);
    let root = decoder.document();
    let items = root.as_ref().and_then(|root| root.get("rule_files")?.items()).unwrap_or_default();
    let missing = config.rule_files.iter().enumerate().filter(|(_, path)| is_missing(path));
    missing
        .map(|(i, path)| {
            let written = items.get(i).and_then(Node::text).unwrap_or(path);
            let position = items.get(i).map(|n| n.position).unwrap_or_default();
            Diagnostic::new(&name, position, format!("{written:?} does not point to an existing file"))
        })
        .collect()
}

/// What files hold that AlertmanagerConfig objects count on.
fn beside(files: &[PathBuf]) -> Beside {
    let mut beside = Beside::default();
    let may_hold = |text: &str| ["Secret", "ConfigMap", "Alertmanager", "route"].iter().any(|word| text.contains(word));
    let texts = files.iter().filter_map(|file| read_text(file).ok());
    texts.filter(|text| may_hold(text)).for_each(|text| beside.add(&text));
    beside
}

/// What is found, as it is written.
pub(super) struct Report<'a> {
    out: &'a mut dyn Write,
    /// Nothing is built, so that files may be missing that are there where the service runs.
    syntax_only: bool,
    /// What cannot be done here is a warning.
    lenient: bool,
    failed: bool,
    /// What is wrong, and the check that says so.
    found: Vec<Finding>,
    /// All files that are checked: AlertmanagerConfig objects in one count on others.
    files: Vec<PathBuf>,
    /// What is in them, once it is asked for.
    beside: Option<Beside>,
    /// What loads, where it is to be linted.
    corpus: Option<Corpus>,
}

impl<'a> Report<'a> {
    /// Nothing is found yet.
    pub fn new(out: &'a mut dyn Write, syntax_only: bool) -> Self {
        let (found, files) = (Vec::new(), Vec::new());
        Report { out, syntax_only, lenient: false, failed: false, found, files, beside: None, corpus: None }
    }

    /// The same for who wants to lint what loads.
    pub fn for_linter(out: &'a mut dyn Write, syntax_only: bool) -> Self {
        Report { corpus: Some(Corpus::default()), ..Report::new(out, syntax_only) }
    }
}

impl Report<'_> {
    /// These are all files that are checked.
    pub fn among(mut self, files: Vec<PathBuf>) -> Self {
        self.files = files;
        self
    }

    /// The exit code.
    pub fn code(&self) -> i32 {
        i32::from(self.failed)
    }

    /// Whether something is wrong.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// What loads, and what was found while it was read.
    pub fn into_found(self) -> (Corpus, Vec<Finding>) {
        (self.corpus.unwrap_or_default(), self.found)
    }

    /// A file, what it is, and what is wrong with it by a check's name.
    pub fn file(&mut self, check: &str, file: &Path, what: &str, found: Result<(), Vec<Diagnostic>>) -> io::Result<()> {
        writeln!(self.out, "Checking {}", file.display())?;
        match found {
            Ok(()) => writeln!(self.out, "  SUCCESS: {what}\n"),
            Err(defects) => self.defects(check, &defects),
        }
    }

    /// Something that is wrong as a whole.
    pub fn failure(&mut self, check: &str, what: &str, why: &str) -> io::Result<()> {
        self.failed = true;
        self.keep(check, &Diagnostic::new(&what.into(), Position::default(), why));
        writeln!(self.out, "Checking {what}\n  FAILED:\n{why}\n")
    }

    /// A file that is nothing that is checked.
    pub fn skipped(&mut self, file: &Path, what: &str) -> io::Result<()> {
        writeln!(self.out, "Skipping {}: {what}", file.display())
    }

    /// A configuration of the service.
    pub fn config(&mut self, file: &Path, options: &LoadOptions) -> io::Result<()> {
        let name = file.display();
        writeln!(self.out, "Checking {name}")?;
        let Loaded { mut config, mut notes, .. } = match Config::load_file(file) {
            Ok(loaded) => loaded,
            Err(defects) => return self.defects("read/config", &defects),
        };
        let missing = missing_rule_files(file, &config);
        if self.lenient {
            notes.warnings.append(&mut notes.refused);
        }
        if !notes.refused.is_empty() || !missing.is_empty() {
            notes.refused.extend(missing);
            return self.defects("read/config", &notes.refused);
        }
        let paths = config.rule_paths();
        writeln!(self.out, "  SUCCESS: {} rule files found", paths.len())?;
        writeln!(self.out, " SUCCESS: {name} is valid watchbell config file syntax\n")?;
        for warning in &notes.warnings {
            self.warning(warning)?;
        }
        self.corpus.iter_mut().for_each(|corpus| corpus.add_config(&config));
        self.unbuildable(|| checks::unbuildable(&config))?;
        let options = LoadOptions { names: config.global.metric_name_validation_scheme, ..options.clone() };
        for path in &paths {
            self.rules(Path::new(path), &options)?;
        }
        let routing = match config.watchbell.alertmanager_config.as_str() {
            "" => None,
            path => self.routing(Path::new(path), Secrets::Needed)?,
        };
        routing.iter().for_each(|routing| config.watchbell.adopt(&routing.watchbell));
        self.silences(&config.watchbell.silences)
    }

    /// A file of rules.
    pub fn rules(&mut self, file: &Path, options: &LoadOptions) -> io::Result<()> {
        let name = file.to_string_lossy();
        writeln!(self.out, "Checking {name}")?;
        let loaded = read_text(file).and_then(|text| Ok((rules::load_str(&name, &text, options)?, text)));
        match loaded {
            Ok((groups, text)) => {
                for note in groups.iter().flat_map(|g| &g.notes) {
                    self.warning(note)?;
                }
                let count: usize = groups.iter().map(|g| g.rules.len()).sum();
                if let Some(corpus) = &mut self.corpus {
                    corpus.add_rules(&name, &text, groups);
                }
                writeln!(self.out, "  SUCCESS: {count} rules found\n")
            }
            Err(defects) => self.defects("read/rules", &defects),
        }
    }

    /// Files of silences.
    pub fn silences(&mut self, patterns: &[String]) -> io::Result<()> {
        if patterns.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "Checking {}", patterns.join(", "))?;
        match silences::load(patterns) {
            Ok(silences) => writeln!(self.out, "  SUCCESS: {} silences found\n", silences.len()),
            Err(defects) => self.defects("read/config", &defects),
        }
    }

    /// A configuration of Alertmanager, with the silences that it names.
    pub fn alertmanager(&mut self, file: &Path) -> io::Result<()> {
        let has_objects = read_text(file).is_ok_and(|text| text.contains("AlertmanagerConfig"));
        let beside = match has_objects {
            true => self.beside.take().unwrap_or_else(|| beside(&self.files)),
            false => Beside::default(),
        };
        let routing = self.routing(file, Secrets::Unread(&beside))?;
        self.beside = has_objects.then_some(beside).or(self.beside.take());
        match routing {
            Some(config) => self.silences(&config.watchbell.silences),
            None => Ok(()),
        }
    }

    /// A configuration of Alertmanager, which is given back if it is one.
    fn routing(&mut self, file: &Path, secrets: Secrets<'_>) -> io::Result<Option<AlertmanagerConfig>> {
        writeln!(self.out, "Checking '{}'", file.display())?;
        let (config, notes) = match AlertmanagerConfig::load_file_with(file, secrets) {
            Ok(loaded) => (loaded.config, loaded.notes),
            Err(defects) => return self.defects("read/alertmanager", &defects).map(|()| None),
        };
        let mut defects = Vec::new();
        let templates = templates::read(&config, &mut defects);
        if !self.syntax_only {
            defects.extend(checks::unbuildable_receivers(&config));
        }
        if defects.is_empty() {
            let (rules, receivers) = (config.inhibit_rules.len(), config.receivers.len());
            let intervals = config.time_intervals.len();
            writeln!(self.out, "  SUCCESS: {rules} inhibit rules, {receivers} receivers, {intervals} time intervals")?;
        }
        for note in &notes {
            self.warning(note)?;
        }
        if defects.is_empty() {
            self.warnings(file, &config, &templates)?;
            if let Some(corpus) = &mut self.corpus {
                // It was read a moment ago.
                corpus.add_routing(&file.to_string_lossy(), &read_text(file).unwrap_or_default(), config.clone());
            }
            writeln!(self.out)?;
        } else {
            self.defects("read/alertmanager", &defects)?;
        }
        Ok(Some(config))
    }

    /// Templates of receivers that fail: the message would say something else there. As with amtool, no failure.
    fn warnings(&mut self, file: &Path, config: &AlertmanagerConfig, templates: &Templates) -> io::Result<()> {
        // It was read a moment ago; without it the warnings have no places.
        let text = read_text(file).unwrap_or_default();
        for warning in check::warnings(&file.to_string_lossy(), &text, config, templates) {
            self.warning(&warning)?;
        }
        Ok(())
    }

    /// Remembers what is told, for the formats that machines read.
    fn keep(&mut self, check: &str, told: &Diagnostic) {
        if let Some(check) = lint::find(check) {
            self.found.push(Finding::new(check, Spot::point(&told.file, told.position), told.message.clone()));
        }
    }

    fn warning(&mut self, note: &Diagnostic) -> io::Result<()> {
        self.keep("read/note", note);
        writeln!(self.out, "  WARNING: {note}")
    }

    fn unbuildable(&mut self, build: impl FnOnce() -> Vec<Diagnostic>) -> io::Result<()> {
        let defects = if self.syntax_only { Vec::new() } else { build() };
        if defects.is_empty() { Ok(()) } else { self.defects("read/config", &defects) }
    }

    fn defects(&mut self, check: &str, defects: &[Diagnostic]) -> io::Result<()> {
        self.failed = true;
        writeln!(self.out, "  FAILED:")?;
        for defect in defects {
            self.keep(check, defect);
            writeln!(self.out, "{}", pointed_out(defect))?;
        }
        writeln!(self.out)
    }
}
