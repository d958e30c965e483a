//! `watchbell route test`: to which receivers labels lead.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::flags::ClientFlags;
use super::matchers;
use super::routes::{self, Branch};
use crate::cli::exit::{fail, written};
use crate::model::Labels;
use crate::routing::RouteTree;
use crate::routing::tree::RouteIndex;

/// Show to which receivers an alert with these labels would go, by a file or by a server's configuration.
#[derive(Args, Debug)]
pub struct RouteTest {
    /// The configuration file; else the server is asked.
    #[arg(long = "config.file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The receivers that are expected, in their order, with commas between; the exit code is 1 when it is others.
    #[arg(long = "verify.receivers", value_name = "NAMES")]
    expected: Option<String>,
    /// Show the routes that match, too.
    #[arg(long)]
    tree: bool,
    /// Labels.
    #[arg(value_name = "NAME=VALUE")]
    labels: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl RouteTest {
    /// Writes the receivers.
    pub fn execute(&self) -> ExitCode {
        let read = || {
            let labels = Labels::from_pairs(matchers::labels(&self.labels)?);
            let settings = self.client.settings()?;
            Ok::<_, String>((labels, routes::read(self.file.as_deref(), &settings)?))
        };
        match read() {
            Ok((labels, tree)) => written(self.write(&tree, &labels)),
            Err(e) => fail(&e),
        }
    }

    fn write(&self, tree: &RouteTree, labels: &Labels) -> std::io::Result<i32> {
        let mut out = std::io::stdout().lock();
        if self.tree {
            let root = matching(tree, 0, labels).map(|root| routes::text(&root)).unwrap_or_default();
            writeln!(out, "Matching routes:\n{root}\n")?;
        }
        let ends = tree.matching(labels);
        let receivers: Vec<&str> = ends.iter().filter_map(|i| tree.route(*i)).map(|route| &*route.receiver).collect();
        let receivers = receivers.join(",");
        writeln!(out, "{receivers}")?;
        if self.expected.as_ref().is_some_and(|expected| *expected != receivers) {
            writeln!(out, "WARNING: Expected receivers did not match resolved receivers.")?;
            return Ok(1);
        }
        Ok(0)
    }
}

/// The routes that match, each with its receiver where the way ends.
fn matching(tree: &RouteTree, index: RouteIndex, labels: &Labels) -> Option<Branch> {
    let route = tree.route(index).filter(|route| route.matches(labels))?;
    let mut below = Vec::new();
    for child in route.children() {
        let Some(branch) = matching(tree, *child, labels) else { continue };
        below.push(branch);
        if !tree.route(*child).is_some_and(|child| child.continues()) {
            break;
        }
    }
    let receiver = if below.is_empty() { format!("  receiver: {}", route.receiver) } else { String::new() };
    Some(Branch { text: format!("{}{receiver}", routes::name(route)), below })
}
