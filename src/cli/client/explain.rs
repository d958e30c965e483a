//! `watchbell explain`: why an alert was told, or was not, or never was.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::api::Api;
use super::flags::ClientFlags;
use super::stored::{self, Question};
use super::times;
use crate::cli::exit::{fail, written};
use crate::explain::{Asked, Explanation, text};
use crate::server::time::parse_time;

/// Say why an alert was told, or was not, or never was: the chain from samples to delivery.
///
/// The expression's parts with their values, state and `for`, the routes it takes and why not the others, its group's
/// timers, silences, inhibition, time intervals, what its receivers were told, and what goes out next. Of an alert that
/// does not exist: how far its rule's series are from the threshold, what is missing, what does not join. Of a time that
/// is past (--at) and of a notification (--page): as the series and the history have it.
#[derive(Args, Debug)]
pub struct Explain {
    /// An alert's name, matchers (NAME{label="value"}, label=value) or a fingerprint.
    #[arg(value_name = "ALERT", required_unless_present = "page")]
    alert: Option<String>,
    /// Explain how it was at this time, RFC 3339 or seconds: the expression by its series, what became of its alerts by
    /// the history.
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    at: Option<i64>,
    /// Explain a notification, by the id that its messages carry: why it was sent, what was new in it, the chain of each
    /// of its alerts.
    #[arg(long, value_name = "ID", conflicts_with_all = ["alert", "at"])]
    page: Option<u64>,
    /// Most alerts to tell of, and most series of each part of an expression.
    #[arg(long, value_name = "N", default_value = "10")]
    limit: usize,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
    /// Explain from the data directory of a service that does not run: as of its last evaluation.
    #[arg(long, value_name = "DIR", requires = "config")]
    data: Option<PathBuf>,
    /// The configuration of that service.
    #[arg(long = "config.file", value_name = "FILE", requires = "data")]
    config: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

impl Explain {
    /// Asks the service, or its data directory, and prints the answer.
    pub fn execute(&self) -> ExitCode {
        match self.explain() {
            Ok(text) => written(std::io::stdout().write_all(text.as_bytes()).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn explain(&self) -> Result<String, String> {
        let settings = self.client.settings()?;
        let explained = match (&self.config, &self.data) {
            (Some(config), Some(data)) => {
                let question = match (self.page, &self.alert) {
                    (Some(page), _) => Question::Page(page),
                    (None, alert) => Question::Alert(Asked::parse(alert.as_deref().unwrap_or_default())?, self.at),
                };
                stored::explained(question, (config, data), (self.limit.max(1), settings.timeout))?
            }
            _ => {
                let mut query = vec![("limit", self.limit.to_string())];
                query.extend(self.alert.clone().map(|alert| ("alert", alert)));
                query.extend(self.at.map(|at| ("at", times::rfc3339(at))));
                query.extend(self.page.map(|page| ("page", page.to_string())));
                let answer = Api::new(&settings)?.own_with(Method::GET, "/watchbell/v1/explain", &query)?;
                serde_json::from_value::<Explanation>(answer).map_err(|e| format!("the answer: {e}"))?
            }
        };
        match self.json {
            true => serde_json::to_string_pretty(&explained).map(|json| json + "\n").map_err(|e| e.to_string()),
            false => Ok(text::explanation(&explained)),
        }
    }
}
