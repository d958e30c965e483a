//! Test files and the rule files they name: found, loaded once, run side by side.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::alerting::spec::GroupDefaults;
use crate::alerting::{GroupKey, GroupSpec};
use crate::model::Diagnostic;
use crate::promql::Features;
use crate::rules::{self, LoadOptions, RuleGroup};
use crate::template::prometheus::TemplateCache;

use super::case::TestFile;
use super::coverage;
use super::groups::LoadedGroups;
use super::outcome::{FileOutcome, TestOutcome};
use super::parse;
use super::routing::Routing;
use super::run::{How, run_test};

/// How tests are run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only tests whose name matches one of these; all when empty.
    pub run: Vec<regex::Regex>,
    /// Accept keys nobody knows, in test files and in rule files.
    pub ignore_unknown_fields: bool,
    /// Switches of the language.
    pub features: Features,
    /// Most threads; 0 for as many as the machine has.
    pub threads: usize,
    /// Whether to look what tests reach.
    pub covers: bool,
}

impl Options {
    /// Whether a test of this name is run.
    pub fn runs(&self, name: &str) -> bool {
        self.run.is_empty() || self.run.iter().any(|r| r.is_match(name))
    }
}

/// Runs test files, several at a time; `done` hears of each as it ends, in whatever order. The outcomes are in the order
/// of the files.
pub fn run_files(files: &[PathBuf], options: &Options, done: &(dyn Fn(&FileOutcome) + Sync)) -> Vec<FileOutcome> {
    let cache = RuleCache::default();
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<FileOutcome>>> = files.iter().map(|_| Mutex::default()).collect();
    let machine = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { machine } else { options.threads };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(file), Some(slot)) = (files.get(i), slots.get(i)) else { return };
                    let outcome = run_file(file, options, &cache);
                    done(&outcome);
                    *slot.lock() = Some(outcome);
                }
            });
        }
    });
    slots.into_iter().filter_map(Mutex::into_inner).collect()
}

fn run_file(path: &Path, options: &Options, cache: &RuleCache) -> FileOutcome {
    let name: Arc<str> = path.display().to_string().into();
    let mut outcome = FileOutcome::new(name.clone());
    let loaded = read(path, &name)
        .map_err(|d| vec![d])
        .and_then(|text| parse::parse(&name, &text, options.ignore_unknown_fields))
        .and_then(|file| load_groups(path, &file, options, cache, &mut outcome.warnings).map(|groups| (file, groups)));
    let (file, groups) = match loaded {
        Ok(loaded) => loaded,
        Err(defects) => {
            outcome.bad_input = defects;
            return outcome;
        }
    };
    if options.covers {
        outcome.coverage = coverage::unreached(&groups, options.features);
    }
    for test in &file.tests {
        if !options.runs(&test.name) {
            continue;
        }
        let how = How { features: options.features, covers: options.covers };
        let result = run_test(&file, test, &groups, how);
        outcome.coverage.merge(&result.coverage);
        let first = outcome.failures.len();
        outcome.passed += result.passed;
        outcome.failures.extend(result.failures);
        let failures = first..outcome.failures.len();
        let (name, position) = (test.name.clone(), test.position);
        outcome.tests.push(TestOutcome { name, position, passed: result.passed, failures });
    }
    outcome
}

/// Reads a test file and the rules it names, without running anything.
///
/// # Errors
/// Everything that is wrong with them.
pub fn load(path: &Path, options: &Options) -> Result<(TestFile, LoadedGroups), Vec<Diagnostic>> {
    let name: Arc<str> = path.display().to_string().into();
    let text = read(path, &name).map_err(|d| vec![d])?;
    let file = parse::parse(&name, &text, options.ignore_unknown_fields)?;
    let groups = load_groups(path, &file, options, &RuleCache::default(), &mut Vec::new())?;
    Ok((file, groups))
}

fn read(path: &Path, name: &Arc<str>) -> Result<String, Diagnostic> {
    let defect = |message: String| Diagnostic::new(name, crate::model::Position::default(), message);
    let bytes = std::fs::read(path).map_err(|e| defect(format!("cannot be read: {e}")))?;
    String::from_utf8(bytes).map_err(|e| defect(format!("is not UTF-8 from byte {}", e.utf8_error().valid_up_to())))
}

/// Groups, each with the lines of its rules.
type Loaded = Arc<Result<Vec<(GroupSpec, Arc<[u32]>)>, Vec<Diagnostic>>>;

type LoadedRouting = Arc<Result<Arc<Routing>, Vec<Diagnostic>>>;

/// Rule files and Alertmanager configurations that were read, by path, and the rules' templates: many tests share them.
#[derive(Default)]
struct RuleCache(Mutex<FxHashMap<PathBuf, Loaded>>, Arc<TemplateCache>, Mutex<FxHashMap<Vec<PathBuf>, LoadedRouting>>);

impl RuleCache {
    fn load(&self, path: &Path, options: &Options) -> Loaded {
        if let Some(known) = self.0.lock().get(path) {
            return known.clone();
        }
        let name: Arc<str> = path.display().to_string().into();
        let how = LoadOptions {
            features: options.features,
            ignore_unknown_fields: options.ignore_unknown_fields,
            ..LoadOptions::default()
        };
        let groups = read(path, &name).map_err(|d| vec![d]).and_then(|text| rules::load_str(&name, &text, &how));
        let with_lines = |g: &RuleGroup| {
            (GroupSpec::of(g, &GroupDefaults::default()), g.rules.iter().map(|r| r.position.line).collect())
        };
        let loaded: Loaded = Arc::new(groups.map(|groups| groups.iter().map(with_lines).collect()));
        self.0.lock().insert(path.to_owned(), loaded.clone());
        loaded
    }

    fn routing(&self, paths: Vec<PathBuf>) -> LoadedRouting {
        if let Some(known) = self.2.lock().get(&paths) {
            return known.clone();
        }
        let loaded: LoadedRouting = Arc::new(Routing::load(&paths).map(Arc::new));
        self.2.lock().insert(paths, loaded.clone());
        loaded
    }
}

/// All groups of a test file's rule files, in evaluation order: those that `group_eval_order` names by their place in
/// it, others as if they stood first.
fn load_groups(
    path: &Path,
    file: &TestFile,
    options: &Options,
    cache: &RuleCache,
    warnings: &mut Vec<Diagnostic>,
) -> Result<LoadedGroups, Vec<Diagnostic>> {
    let (mut defects, mut loaded) = (Vec::new(), Vec::new());
    let base = path.parent().unwrap_or(Path::new(""));
    for (pattern, at) in &file.rule_files {
        let matches = match expand(base, pattern) {
            Ok(matches) => matches,
            Err(e) => {
                defects.push(Diagnostic::new(&file.file, *at, format!("bad pattern {pattern:?}: {e}")));
                continue;
            }
        };
        if matches.is_empty() {
            // A warning, as in promtool: the assertions will tell whether rules are missing.
            warnings.push(Diagnostic::new(&file.file, *at, format!("no file matches {pattern}")));
        }
        loaded.extend(matches.iter().map(|p| cache.load(p, options)));
    }
    let mut groups: Vec<&(GroupSpec, Arc<[u32]>)> = Vec::new();
    for result in &loaded {
        match &**result {
            Ok(found) => groups.extend(found),
            Err(found) => defects.extend(found.iter().cloned()),
        }
    }
    let routing = routing(base, file, cache).unwrap_or_else(|found| {
        defects.extend(found);
        None
    });
    if !defects.is_empty() {
        return Err(defects);
    }
    // A file that two patterns name is one file.
    let mut known = FxHashSet::default();
    groups.retain(|(g, _)| known.insert(&g.key));
    let place = |key: &GroupKey| file.group_eval_order.iter().position(|(n, _)| **n == *key.name).unwrap_or(0);
    groups.sort_by_key(|(g, _)| place(&g.key));
    // The interval is the file's, whatever a group says.
    let interval = file.evaluation_interval.max(1);
    let lines = groups.iter().map(|(_, lines)| lines.clone()).collect();
    let groups = groups.into_iter().map(|(g, _)| Arc::new(GroupSpec { interval, ..g.clone() })).collect();
    Ok(LoadedGroups { templates: cache.1.clone(), groups, lines, routing })
}

/// The Alertmanager configuration that a test file names, if it names one.
fn routing(base: &Path, file: &TestFile, cache: &RuleCache) -> Result<Option<Arc<Routing>>, Vec<Diagnostic>> {
    let (mut paths, mut defects) = (Vec::new(), Vec::new());
    for (name, at) in &file.alertmanager_config {
        let path = base.join(name);
        let found = if path.is_file() { vec![path.clone()] } else { expand(base, name).unwrap_or_default() };
        if found.is_empty() {
            let message = format!("alertmanager_config: there is no file {}", path.display());
            defects.push(Diagnostic::new(&file.file, *at, message));
        }
        paths.extend(found.into_iter().filter(|path| path.is_file()));
    }
    match (defects.is_empty(), paths.is_empty()) {
        (false, _) => Err(defects),
        (true, true) => Ok(None),
        (true, false) => cache.routing(paths).as_ref().clone().map(Some),
    }
}

/// The files a glob names, sorted.
fn expand(base: &Path, pattern: &str) -> Result<Vec<PathBuf>, glob::PatternError> {
    // What stands before the pattern is a path and must not be read as one.
    let prefix = glob::Pattern::escape(&base.display().to_string());
    let full = if Path::new(pattern).is_absolute() { pattern.to_owned() } else { format!("{prefix}/{pattern}") };
    let full = if prefix.is_empty() { pattern.to_owned() } else { full };
    Ok(glob::glob(&full)?.filter_map(Result::ok).collect())
}
