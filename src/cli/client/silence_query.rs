//! `watchbell silence query`: the silences that there are.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::{ClientFlags, Settings};
use super::{matchers, silences, table, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::{fail, written};

/// Show silences: those that are not over, or those that are.
///
/// Matchers say which. A first argument that is no matcher is an alert's name.
#[derive(Args, Debug)]
pub struct SilenceQuery {
    /// Show those that are over instead.
    #[arg(long)]
    expired: bool,
    /// Write ids only.
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Show those that someone made.
    #[arg(long = "created-by", value_name = "AUTHOR")]
    created_by: Option<String>,
    /// Show the one of this id; may be repeated.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Show those that end within this time, or ended within it.
    #[arg(long, value_name = "DURATION", value_parser = duration_arg)]
    within: Option<i64>,
    /// Matchers.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl SilenceQuery {
    /// Asks, and writes what comes.
    pub fn execute(&self) -> ExitCode {
        match self.client.settings().and_then(|settings| Ok((self.ask(&settings)?, settings))) {
            Ok((found, _)) if self.quiet => {
                written(silences::write_ids(found.iter().map(|s| table::text(s, "id"))).map(|()| 0))
            }
            Ok((found, settings)) => written(silences::write(found, &settings).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn ask(&self, settings: &Settings) -> Result<Vec<Json>, String> {
        let matchers = matchers::matchers(&self.matchers)?;
        let query: Vec<(&str, String)> = matchers.iter().map(|m| ("filter", m.to_string())).collect();
        let mut found = Api::new(settings)?.list("/silences", &query)?;
        let now = times::now();
        found.retain(|silence| self.wants(silence, now));
        Ok(found)
    }

    fn wants(&self, silence: &Json, now: i64) -> bool {
        let ends = times::parse(table::text(silence, "endsAt")).unwrap_or(0);
        let is_over = ends <= now;
        let in_time = self.within.is_none_or(|within| match self.expired {
            true => ends > now.saturating_sub(within),
            false => ends < now.saturating_add(within),
        });
        is_over == self.expired
            && in_time
            && self.created_by.as_ref().is_none_or(|author| author == table::text(silence, "createdBy"))
            && (self.ids.is_empty() || self.ids.iter().any(|id| id == table::text(silence, "id")))
    }
}
