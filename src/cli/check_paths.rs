//! `watchbell check PATH...`: what each file is, by what is in it, and what is wrong with it.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::read_text;
use crate::config::web::WebConfig;
use crate::config::yaml::{self, Node};
use crate::model::{Diagnostic, Position};
use crate::rules::LoadOptions;
use crate::ruletest::report::{Style, file_text};
use crate::ruletest::{Options, run_files};
use crate::template::alertmanager::Templates;

use super::check_config::Report;
use super::check_lint::{Format, LintFlags};

/// Folders are looked into so deep.
const DEEPEST: usize = 32;
/// So many files are checked at most.
const MOST_FILES: usize = 100_000;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rules,
    Tests,
    Config,
    Alertmanager,
    Web,
    Silences,
    Template,
    /// Something that is not checked: what it is.
    Other(String),
    /// It cannot be read.
    Unreadable(Diagnostic),
}

/// Checks files, the files of folders, and what globs name, and lints what loads. Returns the exit code: 0 when all that was
/// found is good, and what the linter found is not as grave as what fails; else 1.
///
/// # Errors
/// When the report cannot be written.
pub fn run(paths: &[String], syntax_only: bool, lint: &LintFlags, out: &mut dyn Write) -> io::Result<i32> {
    let (mut checked, mut seen) = (0_usize, BTreeSet::new());
    // Only a person is told file by file.
    let mut nobody = io::sink();
    let log: &mut dyn Write = if lint.format == Format::Text { &mut *out } else { &mut nobody };
    let found: Vec<_> = paths.iter().map(|path| (path, find(path))).collect();
    let all = found.iter().flat_map(|(_, found)| found.iter().flatten()).map(|(file, _)| file.clone()).collect();
    let mut report = Report::for_linter(log, syntax_only).among(all);
    for (path, found) in found {
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                report.failure("read/file", path, &why)?;
                continue;
            }
        };
        for (file, is_named) in found {
            if !seen.insert(file.clone()) {
                continue;
            }
            checked += usize::from(check(&mut report, &file, is_named)?);
        }
    }
    if checked == 0 && !report.has_failed() {
        report.failure("read/file", &paths.join(" "), "nothing was found that can be checked")?;
    }
    let (failed, (corpus, found)) = (report.has_failed(), report.into_found());
    lint.finish(failed, corpus, found, out)
}

/// Checks a file by what it is; whether it is something that is checked. Of a file that was found in a folder nobody said
/// that it is.
fn check(report: &mut Report<'_>, file: &Path, is_named: bool) -> io::Result<bool> {
    let options = LoadOptions::default();
    match kind(file) {
        Kind::Rules => report.rules(file, &options)?,
        Kind::Config => report.config(file, &options)?,
        Kind::Alertmanager => report.alertmanager(file)?,
        Kind::Tests => tests(report, file)?,
        Kind::Silences => report.silences(&[glob::Pattern::escape(&file.to_string_lossy())])?,
        Kind::Web => report.file("read/config", file, "web configuration", WebConfig::load_file(file).map(drop))?,
        Kind::Template => {
            let found = read_text(file).and_then(|text| template(file, &text));
            report.file("read/alertmanager", file, "templates", found)?;
        }
        Kind::Unreadable(why) => report.file("read/file", file, "", Err(vec![why]))?,
        Kind::Other(what) if is_named => {
            let expected = "expected rules, tests of rules, a Prometheus or Alertmanager configuration, silences, a web \
                configuration, a PrometheusRule, an AlertmanagerConfig, a Secret or ConfigMap with a configuration, or templates";
            report.failure("read/file", &file.display().to_string(), &format!("{expected}; found {what}"))?;
        }
        Kind::Other(what) => {
            report.skipped(file, &what)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn tests(report: &mut Report<'_>, file: &Path) -> io::Result<()> {
    let outcomes = run_files(&[file.to_owned()], &Options::default(), &|_| {});
    for outcome in outcomes {
        let text = file_text(&outcome, Style::Plain);
        match outcome.is_success() && outcome.bad_input.is_empty() {
            true => report.file("read/test", file, &format!("{} tests", outcome.tests.len()), Ok(()))?,
            false => report.failure("read/test", &file.display().to_string(), text.trim_end())?,
        }
    }
    Ok(())
}

/// What is wrong with a text of templates.
pub(super) fn template(file: &Path, text: &str) -> Result<(), Vec<Diagnostic>> {
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Templates::default().add_file(&name, text).map_err(|e| {
        let position = Position { line: u32::try_from(e.line).unwrap_or(0), column: 0 };
        vec![Diagnostic::new(&file.to_string_lossy().into(), position, e.message)]
    })
}

/// The files that an argument names, and whether it names each by itself.
pub(super) fn find(path: &str) -> Result<Vec<(PathBuf, bool)>, String> {
    let file = Path::new(path);
    if file.is_dir() {
        let mut found = Vec::new();
        below(file, &mut found, 0);
        return match found.len() {
            0 => Err("no YAML file or template in this folder".into()),
            n if n > MOST_FILES => Err(format!("more than {MOST_FILES} files in this folder")),
            _ => Ok(found.into_iter().map(|file| (file, false)).collect()),
        };
    }
    if file.exists() {
        return Ok(vec![(file.to_owned(), true)]);
    }
    if !is_pattern(path) {
        return Err("no such file or folder".into());
    }
    let matches = glob::glob(path).map_err(|e| format!("bad pattern: {e}"))?;
    let found: Vec<PathBuf> = matches.filter_map(Result::ok).take(MOST_FILES).collect();
    let mut files = Vec::new();
    for found in found {
        if found.is_dir() {
            below(&found, &mut files, 0);
        } else {
            files.push(found);
        }
    }
    if files.is_empty() { Err("no file matches".into()) } else { Ok(files.into_iter().map(|f| (f, false)).collect()) }
}

/// Whether a path that is not there is a pattern of paths.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[']) && !Path::new(path).exists()
}

/// Collects the files of a folder that may be something, without those that are hidden.
pub(super) fn below(folder: &Path, out: &mut Vec<PathBuf>, depth: usize) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) || out.len() > MOST_FILES {
            continue;
        }
        if path.is_dir() {
            if depth < DEEPEST {
                below(&path, out, depth + 1);
            }
        } else if path.extension().is_some_and(|e| ["yml", "yaml", "tmpl", "rules"].iter().any(|known| e == *known)) {
            out.push(path);
        }
    }
}

fn kind(file: &Path) -> Kind {
    let text = match read_text(file) {
        Ok(text) => text,
        Err(mut why) => {
            let unreadable = || Diagnostic::new(&file.to_string_lossy().into(), Position::default(), "cannot be read");
            return Kind::Unreadable(why.pop().unwrap_or_else(unreadable));
        }
    };
    kind_of_text(file, &text)
}

/// What a text is that stands, or is to stand, in a file.
pub(super) fn kind_of_text(file: &Path, text: &str) -> Kind {
    let begins = text.trim_start();
    if file.extension().is_some_and(|e| e == "tmpl") || begins.starts_with("{{") {
        return Kind::Template;
    }
    match yaml::parse(text, yaml::Limits::default()) {
        Ok(documents) => kind_of_documents(&documents.roots),
        Err((at, message)) => by_lines(text)
            .unwrap_or_else(|| Kind::Unreadable(Diagnostic::new(&file.to_string_lossy().into(), at, message))),
    }
}

/// Keys at the top of a file, and what it is that has them. The first that is there decides.
const KEYS: [(&str, Kind); 21] = [
    ("tests", Kind::Tests),
    ("groups", Kind::Rules),
    ("scrape_configs", Kind::Config),
    ("scrape_config_files", Kind::Config),
    ("rule_files", Kind::Config),
    ("alerting", Kind::Config),
    ("remote_write", Kind::Config),
    ("remote_read", Kind::Config),
    ("watchbell", Kind::Config),
    ("route", Kind::Alertmanager),
    ("receivers", Kind::Alertmanager),
    ("inhibit_rules", Kind::Alertmanager),
    ("mute_time_intervals", Kind::Alertmanager),
    ("tls_server_config", Kind::Web),
    ("basic_auth_users", Kind::Web),
    ("http_server_config", Kind::Web),
    ("silences", Kind::Silences),
    ("storage", Kind::Config),
    ("otlp", Kind::Config),
    ("tracing", Kind::Config),
    ("global", Kind::Config),
];

/// What the first document is that is checked, else what the first one is.
fn kind_of_documents(documents: &[Node]) -> Kind {
    let mut kinds = documents.iter().map(kind_of_node).collect::<Vec<_>>();
    let checked = kinds.iter().position(|kind| !matches!(kind, Kind::Other(_))).unwrap_or(0);
    if kinds.is_empty() { Kind::Other("an empty file".into()) } else { kinds.swap_remove(checked) }
}

fn kind_of_node(node: &Node) -> Kind {
    let object = node.get("kind").and_then(Node::text).filter(|_| node.get("apiVersion").is_some());
    if let Some(object) = object {
        return kind_of_object(object, node);
    }
    let known = KEYS.iter().find(|(key, _)| node.get(key).is_some()).map(|(_, kind)| kind.clone());
    known.unwrap_or_else(|| match (node.items(), node.entries()) {
        (Some(_), _) => Kind::Other("a list".into()),
        (_, Some(entries)) => {
            let keys: Vec<&str> = entries.iter().filter_map(|(key, _)| key.text()).take(3).collect();
            Kind::Other(format!("a mapping of {}", keys.join(", ")))
        }
        _ => Kind::Other(node.describe()),
    })
}

fn kind_of_object(object: &str, node: &Node) -> Kind {
    match object {
        "PrometheusRule" | "PrometheusRuleList" => Kind::Rules,
        "AlertmanagerConfig" | "AlertmanagerConfigList" => Kind::Alertmanager,
        "List" => {
            let items = node.get("items").and_then(Node::items).unwrap_or_default();
            kind_of_documents(items)
        }
        "Secret" | "ConfigMap" => {
            let parts = ["stringData", "data", "binaryData"];
            let keys = parts.iter().filter_map(|part| node.get(part)?.entries()).flatten();
            let carries = keys.filter_map(|(key, _)| key.text()).any(|key| key.starts_with("alertmanager.y"));
            if carries { Kind::Alertmanager } else { Kind::Other(format!("a {object} without alertmanager.yaml")) }
        }
        other => Kind::Other(format!("a Kubernetes object of kind {other}")),
    }
}

/// What a file that is no YAML was meant to be, by its lines: its own check says what is wrong with it.
fn by_lines(text: &str) -> Option<Kind> {
    let has = |key: &str| text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    KEYS.iter().find(|(key, _)| has(key)).map(|(_, kind)| kind.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> Kind {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yml");
        std::fs::write(&file, text).unwrap();
        kind(&file)
    }

    #[test]
    fn a_file_is_what_is_in_it() {
        for (text, want) in [
            ("groups: []", Kind::Rules),
            ("apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec: {groups: []}", Kind::Rules),
            ("rule_files: [a]\ntests: []", Kind::Tests),
            ("rule_files: [a]", Kind::Config),
            ("global: {}\nscrape_configs: []", Kind::Config),
            ("global: {}\nroute: {}", Kind::Alertmanager),
            ("apiVersion: v1\nkind: Secret\nstringData: {alertmanager.yaml: ''}", Kind::Alertmanager),
            ("apiVersion: monitoring.coreos.com/v1beta1\nkind: AlertmanagerConfig", Kind::Alertmanager),
            ("basic_auth_users: {}", Kind::Web),
            ("{{ define \"x\" }}{{ end }}", Kind::Template),
            ("groups:\n\t- x", Kind::Rules),
            ("apiVersion: v1\nkind: Service", Kind::Other("a Kubernetes object of kind Service".into())),
            ("a: 1\nb: 2", Kind::Other("a mapping of a, b".into())),
        ] {
            assert_eq!(kind_of(text), want, "{text}");
        }
    }
}
