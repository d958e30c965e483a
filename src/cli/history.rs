//! `watchbell history`: the decisions that were recorded, of a service that runs or in a data directory.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use super::arguments::duration_arg;
use super::client::api::Api;
use super::client::flags::{ClientFlags, Output, Settings};
use super::client::{matchers, times};
use super::exit::{fail, written};
use crate::history::{Kind, MOST_RESULTS, Order, Page, Query, Recorded, query_dir};
use crate::model::Matcher;
use crate::model::labels::parse_fingerprint;
use crate::service::HISTORY;

/// Show what was decided about alerts, when and why, oldest first: from the expression that held to the message that was
/// sent, or what kept it back.
///
/// Matchers say of which alerts. A first argument that is no matcher is an alert's name.
#[derive(Args, Debug)]
pub struct History {
    /// Read a data directory instead of asking a service; one may be running on it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Show what is about a receiver.
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Show decisions of a kind, such as firing, silenced, sent or failed; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Show what is about the alert of this fingerprint.
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint)]
    fingerprint: Option<u64>,
    /// Show what is about a notification, by the id that its message carries.
    #[arg(long, value_name = "ID")]
    notification: Option<u64>,
    /// Show what was decided at this time or later, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Show what was decided at this time or before, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Show what was decided within this time until now; instead of --from.
    #[arg(long, value_name = "DURATION", value_parser = duration_arg, conflicts_with = "from")]
    since: Option<i64>,
    /// Show so many of the newest decisions, at most 10000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
    /// Matchers.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

fn fingerprint(text: &str) -> Result<u64, String> {
    parse_fingerprint(text).ok_or_else(|| "expected 16 hexadecimal digits".into())
}

impl History {
    /// Asks, and writes what comes.
    pub fn execute(&self) -> ExitCode {
        match self.client.settings().and_then(|settings| Ok((self.find(&settings)?, settings))) {
            Ok((page, settings)) => {
                page.damage.iter().for_each(|what| eprintln!("damaged: {what}"));
                written(self.write(&page, &settings).map(|()| 0))
            }
            Err(e) => fail(&e),
        }
    }

    /// The newest decisions that are asked for, oldest first.
    fn find(&self, settings: &Settings) -> Result<Page, String> {
        let query = self.query()?;
        let mut page = match &self.data {
            Some(dir) => query_dir(&dir.join(HISTORY), &query).map_err(|e| e.to_string())?,
            None => ask(settings, &query)?,
        };
        page.decisions.reverse();
        Ok(page)
    }

    fn query(&self) -> Result<Query, String> {
        if self.limit == 0 || self.limit > MOST_RESULTS {
            return Err(format!("--limit: expected 1 to {MOST_RESULTS}, found {}", self.limit));
        }
        let time = |text: &Option<String>| text.as_deref().map(times::parse).transpose();
        let since = self.since.map(|since| times::now().saturating_sub(since));
        let matchers = matchers::matchers(&self.matchers)?;
        Ok(Query {
            selectors: if matchers.is_empty() { Vec::new() } else { vec![matchers] },
            fingerprint: self.fingerprint,
            receiver: self.receiver.clone(),
            kinds: self.kinds.clone(),
            group_key: None,
            notification: self.notification,
            from: time(&self.from)?.or(since),
            to: time(&self.to)?,
            order: Order::Newest,
            cursor: None,
            limit: self.limit,
        })
    }

    fn write(&self, page: &Page, settings: &Settings) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        for recorded in &page.decisions {
            match settings.output {
                Output::Json => writeln!(out, "{}", recorded.to_line())?,
                Output::Simple | Output::Extended => {
                    let Recorded { decision, .. } = recorded;
                    let time = times::shown(&times::rfc3339(decision.time.0), settings);
                    let (kind, subject) = (decision.kind().as_str(), decision.subject());
                    let words = decision.words();
                    let gap = if subject.is_empty() { "" } else { ": " };
                    writeln!(out, "{time}  {kind:<13} {subject}{gap}{words}")?;
                }
            }
        }
        if page.next.is_some() {
            eprintln!("there are older decisions: --limit shows more of them, --to those before a time");
        }
        Ok(())
    }
}

/// Asks a service.
fn ask(settings: &Settings, query: &Query) -> Result<Page, String> {
    let mut parameters: Vec<(&str, String)> = vec![("limit", query.limit.to_string())];
    let selector = |set: &Vec<Matcher>| {
        let all: Vec<String> = set.iter().map(ToString::to_string).collect();
        format!("{{{}}}", all.join(","))
    };
    parameters.extend(query.selectors.iter().map(|set| ("match[]", selector(set))));
    parameters.extend(query.fingerprint.map(|f| ("fingerprint", format!("{f:016x}"))));
    parameters.extend(query.receiver.clone().map(|name| ("receiver", name)));
    parameters.extend(query.kinds.iter().map(|kind| ("kind", kind.as_str().to_owned())));
    parameters.extend(query.notification.map(|id| ("notification", id.to_string())));
    parameters.extend(query.from.map(|at| ("from", times::rfc3339(at))));
    parameters.extend(query.to.map(|at| ("to", times::rfc3339(at))));
    let answer = Api::new(settings)?.own_with(Method::GET, "/watchbell/v1/history", &parameters)?;
    let damage = answer["damage"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let decisions = answer["decisions"].as_array().into_iter().flatten();
    let read =
        |json: &Json| serde_json::from_value(json.clone()).map_err(|e| format!("a decision does not decode: {e}"));
    Ok(Page {
        decisions: decisions.map(read).collect::<Result<_, _>>()?,
        next: answer["next"].as_u64(),
        damage: damage.map(str::to_owned).collect(),
    })
}
