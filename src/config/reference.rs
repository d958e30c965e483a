//! The reference of all configuration files, out of the sections that read them: docs/configuration.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::alertmanager::AlertmanagerConfig;
use super::silences::SilenceFile;
use super::web::WebConfig;
use super::yaml::{Key, Section, Shape, print};
use super::{Config, ScrapeConfigFile};

/// A file: its heading, what it is, its outermost section.
struct File(&'static str, &'static str, fn() -> Section);

const FILES: [File; 5] = [
    File("watchbell.yaml", "A `prometheus.yml`, with a section `watchbell` more.", Config::section),
    File("Scrape config files", "What `scrape_config_files` names.", ScrapeConfigFile::section),
    File(
        "alertmanager.yml",
        "Alertmanager's configuration, plain or in a Secret or ConfigMap.",
        AlertmanagerConfig::section,
    ),
    File("Web configuration", "What `--web.config.file` names.", WebConfig::section),
    File("Files of silences", "What `watchbell.silences` names.", SilenceFile::section),
];

/// The reference as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\nEvery key of every file, in the words of the code that reads it (a test holds that). Keys without a \
         default are empty, off or 0 where they are absent, unless the text says more. What Prometheus and Alertmanager document of a key holds here; \
         [discovery.md](discovery.md), [prometheus.md](prometheus.md) and [receivers.md](receivers.md) name the differences.\n",
    );
    // A section is told once, where it is first met.
    let mut told = BTreeSet::new();
    for File(heading, about, root) in FILES {
        let _ = write!(out, "\n## {heading}\n\n{about}\n");
        let mut waiting = vec![root];
        while !waiting.is_empty() {
            let sections = std::mem::take(&mut waiting);
            for section in sections.into_iter().map(|section| section()) {
                if told.insert((section.label, section.about)) && section.has_keys() {
                    tell(&section, root().label == section.label, &mut out);
                    waiting.extend(section.inline);
                    waiting.extend(section.keys.iter().filter_map(|key| inner(&(key.shape)())));
                }
            }
        }
    }
    out
}

impl Section {
    fn has_keys(&self) -> bool {
        !self.keys.is_empty() || !self.inline.is_empty()
    }
}

/// The section that is in a value.
fn inner(shape: &Shape) -> Option<fn() -> Section> {
    match shape {
        Shape::Value(_) => None,
        Shape::List(of) | Shape::Map(of) => inner(of),
        Shape::Either(one, other) => inner(one).or_else(|| inner(other)),
        Shape::Section(section) => Some(*section),
    }
}

fn tell(section: &Section, is_root: bool, out: &mut String) {
    if !is_root {
        let _ = write!(out, "\n### {}\n\n{}\n", section.label, prose(section.about));
    }
    if !section.keys.is_empty() {
        out.push_str("\n| key | value | default | |\n|---|---|---|---|\n");
    }
    for Key { name, about, default, shape } in &section.keys {
        // Those of a section stand at its own keys.
        let shown = default.as_ref().filter(|_| !matches!(shape(), Shape::Section(_)));
        let default = shown.map(|node| format!("`{}`", cell(print(node, &[]).trim()))).unwrap_or_default();
        let _ = writeln!(out, "| `{name}` | {} | {default} | {} |", cell(&value(&shape())), cell(&prose(about)));
    }
    for more in section.inline.iter().map(|inline| inline()).filter(Section::has_keys) {
        let _ = write!(out, "\nThe keys of {} stand beside these.\n", link(more.label));
    }
}

/// What stands there, in words.
fn value(shape: &Shape) -> String {
    match shape {
        Shape::Value(text) => text.clone(),
        Shape::List(of) => format!("list of {}", many(of)),
        Shape::Map(of) => format!("mapping of names to {}", many(of)),
        Shape::Either(one, other) => format!("{}, or {}", value(one), value(other)),
        Shape::Section(section) => link(section().label),
    }
}

/// Several of a value, in words.
fn many(shape: &Shape) -> String {
    match value(shape) {
        text if text == "a string" || text == "a secret" => text.replacen("a ", "", 1) + "s",
        text => text,
    }
}

fn link(label: &str) -> String {
    let anchor: String = label.to_lowercase().chars().filter(|c| !".".contains(*c)).collect();
    format!("[{label}](#{})", anchor.replace(' ', "-"))
}

/// A doc comment as prose: on one line, names of code without their links.
fn prose(about: &str) -> String {
    let text = about.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("[`", "`").replace("`]", "`")
}

/// Text that a table's cell can hold.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
