//! `watchbell silence import`: makes silences that were written out before.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::ClientFlags;
use super::{silences, table};
use crate::cli::exit::{fail, written};

/// Make the silences that `silence query -o json` wrote, from a file or from standard input, and write their ids.
#[derive(Args, Debug)]
pub struct SilenceImport {
    /// Make new ones even of those that are there.
    #[arg(short = 'f', long)]
    force: bool,
    // One after another is fast enough.
    #[arg(short = 'w', long, hide = true)]
    worker: Option<usize>,
    /// The file.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

impl SilenceImport {
    /// Makes them. Those that the server refuses are told, and do not keep it from the others.
    pub fn execute(&self) -> ExitCode {
        let (ids, refused) = match self.import() {
            Ok(outcome) => outcome,
            Err(e) => return fail(&e),
        };
        refused.iter().for_each(|e| eprintln!("watchbell: {e}"));
        let code = i32::from(!refused.is_empty());
        if code > 0 {
            eprintln!("watchbell: couldn't import {} out of {} silences", refused.len(), refused.len() + ids.len());
        }
        written(silences::write_ids(ids.iter().map(String::as_str)).map(|()| code))
    }

    fn import(&self) -> Result<(Vec<String>, Vec<String>), String> {
        let text = match &self.file {
            Some(file) => std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?,
            None => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).map_err(|e| e.to_string())?;
                text
            }
        };
        let given: Vec<Json> =
            serde_json::from_str(&text).map_err(|e| format!("couldn't unmarshal input data: {e}"))?;
        let settings = self.client.settings()?;
        let api = Api::new(&settings)?;
        let (mut ids, mut refused) = (Vec::new(), Vec::new());
        for mut silence in given {
            if self.force
                && let Some(fields) = silence.as_object_mut()
            {
                fields.remove("id");
            }
            match api.ask(Method::POST, "/silences", &[], Some(&silence)) {
                Ok(answer) => ids.push(table::text(&answer, "silenceID").to_owned()),
                Err(e) => refused.push(e),
            }
        }
        Ok((ids, refused))
    }
}
