//! The rules and the routing that are played, from files.

use std::path::Path;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::spec::GroupDefaults;
use crate::cli::exit::lines;
use crate::cli::git::Revision;
use crate::config::alertmanager::AlertmanagerConfig;
use crate::config::read_text;
use crate::promql::Features;
use crate::routing::RoutingConfig;
use crate::rules::{LoadOptions, load_str};

/// A file: its name for messages, and its text.
pub(in crate::cli) type Text = (String, String);

/// What is played, as text.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Texts {
    /// Files of rules.
    pub rules: Vec<Text>,
    /// An Alertmanager configuration.
    pub alertmanager: Option<Text>,
}

impl Texts {
    /// The same files as `old` has them: a git revision, or files that take their place.
    ///
    /// # Errors
    /// `old` is neither, or cannot be read.
    pub fn compared_with(&self, old: &[String], rules: &[String], alertmanager: Option<&Path>) -> Result<Self, String> {
        if let [one] = old
            && !Path::new(one).exists()
            && !is_glob(one)
        {
            return match Revision::find(one)? {
                Some(revision) => of_revision(&revision, rules, alertmanager),
                None => Err(format!("--compare {one}: expected files or a git revision, found neither")),
            };
        }
        let mut texts = Texts { alertmanager: self.alertmanager.clone(), ..Texts::default() };
        for (name, text) in Texts::read(old, None)?.rules {
            match AlertmanagerConfig::load_str(&name, &text) {
                Ok(_) => texts.alertmanager = Some((name, text)),
                Err(_) => texts.rules.push((name, text)),
            }
        }
        // Only routing is compared.
        if texts.rules.is_empty() {
            texts.rules.clone_from(&self.rules);
        }
        Ok(texts)
    }
}

/// The files of the arguments as they were. One that was not there yet has no rules.
fn of_revision(revision: &Revision, rules: &[String], alertmanager: Option<&Path>) -> Result<Texts, String> {
    let mut texts = Texts::default();
    for argument in rules {
        let files = match is_glob(argument) {
            true => revision.matching(argument)?,
            false => vec![argument.clone()],
        };
        if files.is_empty() {
            return Err(format!("--compare: no file of the revision matches {argument}"));
        }
        for file in files.iter().map(Path::new) {
            match revision.text(file)? {
                Some(text) => texts.rules.push((revision.label(file), text)),
                None => eprintln!("watchbell: {}: is not there: its rules are new", revision.label(file)),
            }
        }
    }
    if let Some(file) = alertmanager {
        texts.alertmanager = revision.text(file)?.map(|text| (revision.label(file), text));
        if texts.alertmanager.is_none() {
            eprintln!("watchbell: {}: is not there: nobody was told", revision.label(file));
        }
    }
    Ok(texts)
}

/// What is played.
pub(in crate::cli) struct RuleSet {
    /// Groups in the order of their files.
    pub groups: Vec<Arc<GroupSpec>>,
    /// Routing, where there is a configuration.
    pub routing: Option<Arc<RoutingConfig>>,
}

impl Texts {
    /// Reads what the arguments name.
    pub fn read(rules: &[String], alertmanager: Option<&Path>) -> Result<Self, String> {
        let read = |path: &Path| -> Result<Text, String> {
            Ok((path.display().to_string(), read_text(path).map_err(|e| lines(&e))?))
        };
        let mut texts = Texts::default();
        for file in files(rules)? {
            texts.rules.push(read(Path::new(&file))?);
        }
        texts.alertmanager = alertmanager.map(read).transpose()?;
        Ok(texts)
    }

    /// Reads the texts; groups that do not say it are evaluated every `interval` milliseconds.
    pub fn load(&self, features: Features, interval: i64) -> Result<RuleSet, String> {
        let options = LoadOptions { features, ..LoadOptions::default() };
        let defaults = GroupDefaults { interval, query_offset: 0 };
        let (mut groups, mut defects) = (Vec::new(), Vec::new());
        for (name, text) in &self.rules {
            match load_str(name, text, &options) {
                Ok(loaded) => groups.extend(loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults)))),
                Err(found) => defects.extend(found),
            }
        }
        let routing = self.alertmanager.as_ref().and_then(|(name, text)| {
            let loaded = AlertmanagerConfig::load_str(name, text).map_err(|found| defects.extend(found)).ok()?;
            Some(Arc::new(RoutingConfig::of(&loaded.config)))
        });
        if defects.is_empty() { Ok(RuleSet { groups, routing }) } else { Err(lines(&defects)) }
    }
}

/// Whether an argument is a pattern, and no file of that name.
fn is_glob(argument: &str) -> bool {
    argument.contains(['*', '?', '[']) && !Path::new(argument).exists()
}

/// The files that arguments name, each once: paths, and globs of which there is no file of that name.
fn files(arguments: &[String]) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = Vec::new();
    for argument in arguments {
        let matching = match is_glob(argument) {
            true => crate::config::expand_globs(std::slice::from_ref(argument)),
            false => vec![argument.clone()],
        };
        if matching.is_empty() {
            return Err(format!("{argument}: no file matches"));
        }
        for file in matching {
            if !found.contains(&file) {
                found.push(file);
            }
        }
    }
    Ok(found)
}
