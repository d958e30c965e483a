//! `watchbell route show`: the routing tree.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::flags::ClientFlags;
use super::routes::{self, Branch};
use crate::cli::exit::{fail, written};
use crate::routing::RouteTree;
use crate::routing::tree::RouteIndex;

/// Show the routing tree of a file, or of a server.
#[derive(Args, Debug)]
pub struct RouteShow {
    /// The configuration file; else the server is asked.
    #[arg(long = "config.file", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

impl RouteShow {
    /// Writes the tree.
    pub fn execute(&self) -> ExitCode {
        let tree = self.client.settings().and_then(|settings| routes::read(self.file.as_deref(), &settings));
        match tree {
            Ok(tree) => {
                let text = branch(&tree, 0).map(|root| routes::text(&root)).unwrap_or_default();
                written(writeln!(std::io::stdout().lock(), "Routing tree:\n{text}").map(|()| 0))
            }
            Err(e) => fail(&e),
        }
    }
}

fn branch(tree: &RouteTree, index: RouteIndex) -> Option<Branch> {
    let route = tree.route(index)?;
    let goes_on = if route.continues() { "  continue: true" } else { "" };
    let text = format!("{}{goes_on}  receiver: {}", routes::name(route), route.receiver);
    Some(Branch { text, below: route.children().iter().filter_map(|child| branch(tree, *child)).collect() })
}
