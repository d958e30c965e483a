//! Routes of a file or of a server, and trees of them as text.

use std::path::Path;

use reqwest::Method;

use super::api::Api;
use super::flags::Settings;
use super::table;
use crate::config::AlertmanagerConfig;
use crate::model::Diagnostic;
use crate::routing::tree::matchers_text;
use crate::routing::{RouteTree, RoutingConfig, SharedRoute};

/// The routes of a file, else of the server.
///
/// # Errors
/// What is wrong with the configuration, or that the server does not answer.
pub(super) fn read(file: Option<&Path>, settings: &Settings) -> Result<RouteTree, String> {
    let loaded = match file {
        Some(file) => {
            if settings.is_url_given {
                eprintln!("watchbell: --config.file counts, --alertmanager.url does not");
            }
            AlertmanagerConfig::load_file(file)
        }
        None => {
            let status = Api::new(settings)?.ask(Method::GET, "/status", &[], None)?;
            AlertmanagerConfig::load_str(&settings.url, table::text(&status["config"], "original"))
        }
    };
    let lines = |all: Vec<Diagnostic>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    loaded.map(|loaded| RouteTree::new(&RoutingConfig::of(&loaded.config).route)).map_err(lines)
}

/// A route in a tree's text.
pub(super) struct Branch {
    /// What it says.
    pub text: String,
    /// Those below it.
    pub below: Vec<Branch>,
}

/// What a route is called: its matchers, or that it is the default.
pub(super) fn name(route: &SharedRoute) -> String {
    if route.matchers.is_empty() { "default-route".into() } else { matchers_text(&route.matchers) }
}

/// The text of a tree with one branch at its root.
pub(super) fn text(root: &Branch) -> String {
    let mut out = String::from(".\n");
    push(&mut out, std::slice::from_ref(root), "");
    out
}

fn push(out: &mut String, branches: &[Branch], indent: &str) {
    for (i, branch) in branches.iter().enumerate() {
        let is_last = i + 1 == branches.len();
        let (edge, more) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
        out.push_str(&format!("{indent}{edge}{}\n", branch.text));
        push(out, &branch.below, &format!("{indent}{more}"));
    }
}
