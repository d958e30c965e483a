//! `watchbell drill`: a marked alert and its end through the real routing, and who was told, when.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::api::Api;
use super::flags::ClientFlags;
use super::{matchers, table, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::fail;
use crate::clock::Stopwatch;
use crate::model::duration;

/// Between two questions how the drill stands.
const PAUSE: Duration = Duration::from_millis(500);

/// Have the running service send a marked alert through its routing, then its end, and report who was told of both, when.
/// Exit code 0: everybody who is to be told was.
///
/// The alert waits as any other does: for the group's first flush, and its end for the next. It is grouped by itself,
/// marked by the label watchbell_drill and in its summary, and mutes nothing. A first argument that is no label is the
/// alert's name.
#[derive(Args, Debug)]
pub struct Drill {
    /// Annotations, name=value; may be repeated.
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    annotations: Vec<String>,
    /// How long to wait for everybody to be told.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration_arg)]
    wait: i64,
    /// Labels, name=value.
    #[arg(value_name = "LABEL", required = true)]
    labels: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

/// An integration that is to be told: how it is written, and whether it wants to hear of the end.
type Expected = (String, bool);

/// A drill under way, as the command follows it.
struct Followed<'a> {
    api: &'a Api,
    path: String,
    began: i64,
    watch: Stopwatch,
    wait: Duration,
    /// How many attempts have been written.
    written: usize,
}

impl Drill {
    /// Holds it.
    pub fn execute(&self) -> ExitCode {
        match self.hold() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(e) => fail(&e),
        }
    }

    fn hold(&self) -> Result<bool, String> {
        let settings = self.client.settings()?;
        let api = Api::new(&settings)?;
        let object =
            |pairs: Vec<(String, String)>| pairs.into_iter().map(|(n, v)| (n, v.into())).collect::<Map<_, _>>();
        let labels = object(matchers::labels(&self.labels)?);
        let body = json!({ "labels": labels, "annotations": object(matchers::annotations(&self.annotations)?) });
        let drill = api.own(Method::POST, "/watchbell/v1/drills", Some(&body))?;
        let path = format!("/watchbell/v1/drills/{}", table::text(&drill, "name"));
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let (began, watch) = (times::now(), Stopwatch::start());
        let mut followed = Followed { api: &api, path, began, watch, wait, written: 0 };
        let held = followed.hold(&drill);
        // Whatever went wrong, nothing is left firing.
        let ended = followed.api.own(Method::DELETE, &followed.path, None);
        held.and_then(|all| ended.map(|_| all))
    }
}

impl Followed<'_> {
    fn hold(&mut self, drill: &Json) -> Result<bool, String> {
        let expected = expected(drill);
        say(&plan(drill)).map_err(|e| e.to_string())?;
        let is_muted = items(drill, "silencedBy").chain(items(drill, "inhibitedBy")).next().is_some();
        if expected.is_empty() || is_muted {
            return Ok(false);
        }
        let all: BTreeSet<String> = expected.iter().map(|(who, _)| who.clone()).collect();
        let wanting: BTreeSet<String> = expected.into_iter().filter(|(_, wants)| *wants).map(|(who, _)| who).collect();
        if !self.follow("firing", &all)? {
            return Ok(false);
        }
        self.api.own(Method::DELETE, &self.path, None)?;
        Ok(self.follow("resolved", &wanting)? && mutes(drill).next().is_none())
    }

    /// Writes what is told until all have been told of a status, or there is no time left.
    fn follow(&mut self, status: &str, wanted: &BTreeSet<String>) -> Result<bool, String> {
        loop {
            let drill = self.api.own(Method::GET, &self.path, None)?;
            let attempts = drill["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
            for attempt in attempts.iter().skip(self.written) {
                say(&self.line(attempt)).map_err(|e| e.to_string())?;
            }
            self.written = attempts.len();
            let arrived = |a: &&Json| table::text(a, "status") == status && table::text(a, "error").is_empty();
            let told: BTreeSet<String> = attempts.iter().filter(arrived).map(who).collect();
            if wanted.is_subset(&told) {
                return Ok(true);
            }
            if self.watch.elapsed() >= self.wait {
                let missing = wanted.difference(&told).map(|who| format!("{status} not told in time: {who}\n"));
                say(&missing.collect::<String>()).map_err(|e| e.to_string())?;
                return Ok(false);
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn line(&self, attempt: &Json) -> String {
        let after = times::parse(table::text(attempt, "at")).unwrap_or(self.began).saturating_sub(self.began).max(0);
        let (status, who) = (table::text(attempt, "status"), who(attempt));
        match table::text(attempt, "error") {
            "" => format!("{status} {who}: delivered after {:.1}s\n", after as f64 / 1000.0),
            error => format!("{status} {who}: failed after {:.1}s: {error}\n", after as f64 / 1000.0),
        }
    }
}

fn who(of: &Json) -> String {
    format!("{}/{}[{}]", table::text(of, "receiver"), table::text(of, "integration"), of["index"])
}

fn items<'a>(of: &'a Json, field: &str) -> impl Iterator<Item = &'a Json> {
    of[field].as_array().into_iter().flatten()
}

/// Who is to be told, routes in their mute times left out.
fn expected(drill: &Json) -> Vec<Expected> {
    let of_route = |route: &Json| {
        let receiver = table::text(route, "receiver").to_owned();
        let one = move |i: &Json| {
            let who = format!("{receiver}/{}[{}]", table::text(i, "integration"), i["index"]);
            (who, i["sendResolved"].as_bool().unwrap_or(false))
        };
        items(route, "integrations").map(one).collect::<Vec<_>>()
    };
    items(drill, "routes").filter(|route| items(route, "mutedBy").next().is_none()).flat_map(of_route).collect()
}

/// What keeps the alert from being told.
fn mutes(drill: &Json) -> impl Iterator<Item = String> {
    let text = |by: &Json| by.as_str().unwrap_or("").to_owned();
    let silences = items(drill, "silencedBy").map(move |by| format!("silence {}", text(by)));
    let inhibitions = items(drill, "inhibitedBy").map(move |by| format!("alert {}", text(by)));
    let intervals = items(drill, "routes").flat_map(|route| items(route, "mutedBy"));
    silences.chain(inhibitions).chain(intervals.map(move |by| format!("time interval {}", text(by))))
}

/// Who is to be told, when, and what is in the way.
fn plan(drill: &Json) -> String {
    let mut text = String::new();
    for route in items(drill, "routes") {
        let time = |field: &str| duration::format(route[field].as_i64().unwrap_or(0));
        let (receiver, wait, interval) = (table::text(route, "receiver"), time("groupWait"), time("groupInterval"));
        text.push_str(&format!("to {receiver}: firing after {wait}, resolved {interval} later\n"));
        if items(route, "integrations").next().is_none() {
            text.push_str(&format!("{receiver} tells nobody: it has no integrations\n"));
        }
    }
    for mute in mutes(drill) {
        text.push_str(&format!("muted by {mute}\n"));
    }
    text
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
