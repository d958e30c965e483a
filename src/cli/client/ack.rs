//! `watchbell ack`: says that somebody looks after an alert.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::api::Api;
use super::flags::{ClientFlags, Settings};
use super::{matchers, silences, table, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::{fail, written};

/// Acknowledge alerts that fire: they are not told again, until they resolve. Writes the ids of the silences that are made.
///
/// Alerts are named by their fingerprints, or by matchers: `alertname=foo node=~b.*`. A first argument that is neither is
/// an alert's name.
#[derive(Args, Debug)]
pub struct Ack {
    /// Who looks after them [default: what amtool's file says, else the user].
    #[arg(short = 'a', long)]
    author: Option<String>,
    /// What there is to say.
    #[arg(short = 'c', long, default_value = "", hide_default_value = true)]
    comment: String,
    /// For how long at most [default: until the alert resolves].
    #[arg(short = 'd', long, value_name = "DURATION", value_parser = duration_arg)]
    duration: Option<i64>,
    /// Until when at most, in RFC 3339; instead of a duration.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Take the acknowledgement back.
    #[arg(long)]
    undo: bool,
    /// Fingerprints or matchers.
    #[arg(value_name = "ALERT")]
    alerts: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl Ack {
    /// Acknowledges, and writes ids.
    pub fn execute(&self) -> ExitCode {
        match self.client.settings().and_then(|settings| self.ask(&settings)) {
            Ok(ids) => written(silences::write_ids(ids.iter().map(String::as_str)).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn ask(&self, settings: &Settings) -> Result<Vec<String>, String> {
        let api = Api::new(settings)?;
        let path = |fingerprint: &String| format!("/watchbell/v1/alerts/{fingerprint}/ack");
        let fingerprints = self.fingerprints(&api)?;
        if self.undo {
            let taken_back = fingerprints.iter().try_for_each(|f| api.own(Method::DELETE, &path(f), None).map(|_| ()));
            return taken_back.map(|()| Vec::new());
        }
        let author = self.author.as_ref().unwrap_or(&settings.author);
        let mut body = json!({ "createdBy": author, "comment": self.comment });
        let ends_at = match (&self.end, self.duration) {
            (Some(end), _) => Some(times::parse(end)?),
            (None, duration) => duration.map(|d| times::now().saturating_add(d)),
        };
        if let Some(at) = ends_at {
            body["endsAt"] = times::rfc3339(at).into();
        }
        let one = |fingerprint: &String| {
            let answer = api.own(Method::POST, &path(fingerprint), Some(&body))?;
            Ok(table::text(&answer, "silenceID").to_owned())
        };
        fingerprints.iter().map(one).collect()
    }

    /// The fingerprints that are named, or those of all alerts that match.
    fn fingerprints(&self, api: &Api) -> Result<Vec<String>, String> {
        let is_fingerprint = |text: &String| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if self.alerts.is_empty() {
            return Err("no alert specified".into());
        }
        if self.alerts.iter().all(is_fingerprint) {
            return Ok(self.alerts.clone());
        }
        let matchers = matchers::matchers(&self.alerts)?;
        let query: Vec<(&str, String)> = matchers.iter().map(|m| ("filter", m.to_string())).collect();
        let found = api.list("/alerts", &query)?;
        if found.is_empty() {
            return Err("no alert that fires matches".into());
        }
        Ok(found.iter().map(|alert| table::text(alert, "fingerprint").to_owned()).collect())
    }
}
