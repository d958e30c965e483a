//! `watchbell silence update`: changes silences.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::{ClientFlags, Settings};
use super::{silences, table, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::{fail, written};

/// Change when silences begin and end, and what they say.
#[derive(Args, Debug)]
pub struct SilenceUpdate {
    /// Write ids only.
    #[arg(short = 'q', long)]
    quiet: bool,
    /// How long they last, from their beginning.
    #[arg(short = 'd', long, value_name = "DURATION", value_parser = duration_arg)]
    duration: Option<i64>,
    /// When they begin, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// When they end, in RFC 3339; instead of a duration.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Why.
    #[arg(short = 'c', long)]
    comment: Option<String>,
    /// Their ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl SilenceUpdate {
    /// Changes them, and writes what they are then.
    pub fn execute(&self) -> ExitCode {
        match self.client.settings().and_then(|settings| Ok((self.update(&settings)?, settings))) {
            Ok((changed, _)) if self.quiet => {
                written(silences::write_ids(changed.iter().map(|s| table::text(s, "id"))).map(|()| 0))
            }
            Ok((changed, settings)) => written(silences::write(changed, &settings).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn update(&self, settings: &Settings) -> Result<Vec<Json>, String> {
        if self.ids.is_empty() {
            return Err("no silence IDs specified".into());
        }
        let api = Api::new(settings)?;
        let one = |id: &String| {
            let mut silence = api.ask(Method::GET, &format!("/silence/{id}"), &[], None)?;
            self.change(&mut silence)?;
            let answer = api.ask(Method::POST, "/silences", &[], Some(&silence))?;
            api.ask(Method::GET, &format!("/silence/{}", table::text(&answer, "silenceID")), &[], None)
        };
        self.ids.iter().map(one).collect()
    }

    fn change(&self, silence: &mut Json) -> Result<(), String> {
        if let Some(start) = &self.start {
            silence["startsAt"] = Json::from(times::rfc3339(times::parse(start)?));
        }
        let starts = times::parse(table::text(silence, "startsAt"))?;
        match (&self.end, self.duration) {
            (Some(end), _) => silence["endsAt"] = Json::from(times::rfc3339(times::parse(end)?)),
            (None, Some(0)) => return Err("silence duration must be greater than 0".into()),
            (None, Some(duration)) => silence["endsAt"] = Json::from(times::rfc3339(starts.saturating_add(duration))),
            (None, None) => {}
        }
        if starts > times::parse(table::text(silence, "endsAt"))? {
            return Err("silence cannot start after it ends".into());
        }
        if let Some(comment) = &self.comment {
            silence["comment"] = Json::from(comment.as_str());
        }
        Ok(())
    }
}
