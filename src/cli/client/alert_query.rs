//! `watchbell alert query`: the alerts that fire.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::{ClientFlags, Output, Settings};
use super::{matchers, table, times};
use crate::cli::exit::{fail, written};

/// Show the alerts that fire; without flags those that are neither silenced nor inhibited.
///
/// Matchers say which: `alertname=foo node=~b.*`. A first argument that is no matcher is an alert's name.
#[derive(Args, Debug)]
pub struct AlertQuery {
    /// Show inhibited alerts.
    #[arg(short = 'i', long)]
    inhibited: bool,
    /// Show silenced alerts.
    #[arg(short = 's', long)]
    silenced: bool,
    /// Show alerts that are neither.
    #[arg(short = 'a', long)]
    active: bool,
    /// Show alerts whose groups have not flushed.
    #[arg(short = 'u', long)]
    unprocessed: bool,
    /// Show alerts that go to receivers whose names match this regular expression.
    #[arg(short = 'r', long, value_name = "REGEX")]
    receiver: Option<String>,
    /// Matchers.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl AlertQuery {
    /// Asks, and writes what comes.
    pub fn execute(&self) -> ExitCode {
        match self.client.settings().and_then(|settings| Ok((self.ask(&settings)?, settings))) {
            Ok((alerts, settings)) => written(write(&alerts, &settings).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn ask(&self, settings: &Settings) -> Result<Vec<Json>, String> {
        let none = !(self.active || self.inhibited || self.silenced || self.unprocessed);
        let mut query: Vec<(&str, String)> = vec![
            ("active", (self.active || none).to_string()),
            ("inhibited", self.inhibited.to_string()),
            ("silenced", self.silenced.to_string()),
            ("unprocessed", self.unprocessed.to_string()),
        ];
        query.extend(self.receiver.iter().map(|receiver| ("receiver", receiver.clone())));
        query.extend(matchers::matchers(&self.matchers)?.iter().map(|m| ("filter", m.to_string())));
        let mut alerts = Api::new(settings)?.list("/alerts", &query)?;
        if settings.output != Output::Json {
            alerts.sort_by(|a, b| table::text(a, "startsAt").cmp(table::text(b, "startsAt")));
        }
        Ok(alerts)
    }
}

/// How an alert stands, and who looks after it.
fn state(alert: &Json) -> String {
    let status = &alert["status"];
    match status["acknowledged"]["createdBy"].as_str() {
        Some(who) => format!("acknowledged by {who}: {}", table::text(&status["acknowledged"], "comment")),
        None => table::text(status, "state").to_owned(),
    }
}

fn write(alerts: &[Json], settings: &Settings) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let time = |alert: &Json, field: &str| times::shown(table::text(alert, field), settings);
    match settings.output {
        Output::Json => writeln!(out, "{}", Json::from(alerts)),
        Output::Simple => {
            let row = |a: &Json| {
                let (name, summary) =
                    (table::text(&a["labels"], "alertname"), table::text(&a["annotations"], "summary"));
                vec![name.into(), time(a, "startsAt"), summary.into(), state(a)]
            };
            let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
            table::write(&mut out, &["Alertname", "Starts At", "Summary", "State"], &rows)
        }
        Output::Extended => {
            let row = |a: &Json| {
                vec![
                    table::labels(&a["labels"]),
                    table::labels(&a["annotations"]),
                    time(a, "startsAt"),
                    time(a, "endsAt"),
                    table::text(a, "generatorURL").into(),
                    state(a),
                ]
            };
            let rows: Vec<Vec<String>> = alerts.iter().map(row).collect();
            let head = ["Labels", "Annotations", "Starts At", "Ends At", "Generator URL", "State"];
            table::write(&mut out, &head, &rows)
        }
    }
}
