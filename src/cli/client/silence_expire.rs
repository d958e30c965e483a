//! `watchbell silence expire`: ends silences.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::api::Api;
use super::flags::ClientFlags;
use crate::cli::exit::fail;

/// End silences now.
#[derive(Args, Debug)]
pub struct SilenceExpire {
    /// Their ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl SilenceExpire {
    /// Ends them.
    pub fn execute(&self) -> ExitCode {
        self.expire().map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS)
    }

    fn expire(&self) -> Result<(), String> {
        if self.ids.is_empty() {
            return Err("no silence IDs specified".into());
        }
        let settings = self.client.settings()?;
        let api = Api::new(&settings)?;
        self.ids.iter().try_for_each(|id| api.ask(Method::DELETE, &format!("/silence/{id}"), &[], None).map(|_| ()))
    }
}
