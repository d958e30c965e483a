//! `watchbell config show`: the configuration in force.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::{ClientFlags, Output, Settings};
use super::{table, times};
use crate::cli::exit::{fail, written};

/// Show the routing configuration in force; with -o extended versions too, with -o json all that the server says.
#[derive(Args, Debug)]
pub struct ConfigShow {
    #[command(flatten)]
    client: ClientFlags,
}

impl ConfigShow {
    /// Asks, and writes what comes.
    pub fn execute(&self) -> ExitCode {
        let asked = self.client.settings().and_then(|settings| {
            let status = Api::new(&settings)?.ask(Method::GET, "/status", &[], None)?;
            Ok((status, settings))
        });
        match asked {
            Ok((status, settings)) => written(write(&status, &settings).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }
}

fn write(status: &Json, settings: &Settings) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let config = table::text(&status["config"], "original");
    match settings.output {
        Output::Json => writeln!(out, "{status}"),
        Output::Simple => writeln!(out, "{config}"),
        Output::Extended => {
            writeln!(out, "{config}")?;
            for (name, value) in status["versionInfo"].as_object().into_iter().flatten() {
                writeln!(out, "{name}: {}", value.as_str().unwrap_or(""))?;
            }
            writeln!(out, "running since: {}", times::shown(table::text(status, "uptime"), settings))
        }
    }
}
