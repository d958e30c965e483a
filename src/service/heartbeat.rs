//! The heartbeat: a URL that is called while evaluation, the state store and deliveries work, and not called while one of
//! them does not. An outside watch that misses it pages: it covers the whole way of a page but its last step.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use crate::alerting::Health;
use crate::config::heartbeat::HeartbeatConfig;
use crate::engine::{Engine, View};
use crate::instrument::{Collect, CounterVec, Exposition};
use crate::model::Diagnostic;
use crate::net::{self, HttpClient, HttpSettings};
use crate::notify::IntegrationId;
use crate::server::App;

/// A notification that is owed for longer than this is not being delivered, milliseconds.
const OWED_TOO_LONG: i64 = 5 * 60_000;
/// A group that was not evaluated for so many of its intervals, and a minute, is not being evaluated.
const MISSED: i64 = 3;
/// How long the engine may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// What is called, and how.
struct Target {
    url: String,
    interval: Duration,
    timeout: Duration,
    client: HttpClient,
}

/// The heartbeat of a service.
pub struct Heartbeat {
    target: ArcSwapOption<Target>,
    changed: watch::Sender<()>,
    calls: CounterVec,
}

impl Default for Heartbeat {
    fn default() -> Self {
        let calls = CounterVec::new(
            "watchbell_heartbeats_total",
            "Heartbeats that were due, by what became of them: sent, failed, or withheld because something does not work.",
            &["result"],
        );
        for result in ["sent", "failed", "withheld"] {
            calls.with(&[result]);
        }
        Heartbeat { target: ArcSwapOption::default(), changed: watch::Sender::new(()), calls }
    }
}

impl Heartbeat {
    /// Calls what a configuration says from now on, or nothing.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn apply(&self, config: Option<&HeartbeatConfig>) -> Result<(), Diagnostic> {
        let target = config.and_then(|c| Some((c, c.url.as_ref()?)));
        let target = target.map(|(c, url)| {
            let client = HttpClient::new(&HttpSettings::from(&c.http)).map_err(|e| net::describe(&c.http, &e))?;
            let [interval, timeout] =
                [c.interval, c.timeout].map(|d| Duration::from_millis(u64::try_from(d.0).unwrap_or(0)));
            Ok(Target { url: url.expose().to_owned(), interval, timeout, client })
        });
        self.target.store(target.transpose()?.map(Arc::new));
        self.changed.send_replace(());
        Ok(())
    }

    /// Calls until the service ends. The first call comes an interval after the start or a change: by then there is
    /// something to judge.
    pub async fn run(&self, app: Arc<App>, mut ended: watch::Receiver<bool>) {
        let mut changed = self.changed.subscribe();
        let mut said = None;
        loop {
            let target = self.target.load_full();
            let due = async {
                match &target {
                    Some(target) => tokio::time::sleep(target.interval).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = ended.wait_for(|e| *e) => return,
                _ = changed.changed() => continue,
                () = due => {}
            }
            let Some(target) = target else { continue };
            let (result, why) = match trouble(&app).await {
                Some(why) => ("withheld", Some(why)),
                None => match call(&target).await {
                    Ok(()) => ("sent", None),
                    Err(why) => ("failed", Some(why)),
                },
            };
            self.calls.with(&[result]).inc();
            tell(result, why, &mut said);
        }
    }
}

/// Once when a heartbeat is withheld or fails, again when for another reason, and when it is sent again.
fn tell(result: &'static str, why: Option<String>, said: &mut Option<(&'static str, String)>) {
    match why {
        Some(why) if said.as_ref().is_some_and(|(before, reason)| *before == result && *reason == why) => {}
        Some(why) => {
            tracing::warn!(result, reason = %why, "heartbeat not sent");
            *said = Some((result, why));
        }
        None if said.take().is_some() => tracing::info!("heartbeat sent again"),
        None => {}
    }
}

async fn call(target: &Target) -> Result<(), String> {
    let request = target.client.request(reqwest::Method::GET, &target.url).map_err(|e| e.to_string())?;
    let answer = target.client.send(request.timeout(target.timeout)).await.map_err(|e| e.to_string())?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        // Its URL is a secret.
        status => Err(format!("the watch answered {status}")),
    }
}

/// What does not work, if anything.
async fn trouble(app: &App) -> Option<String> {
    let engine = &app.engine;
    match tokio::time::timeout(ANSWER, engine.turn()).await {
        Err(_) => return Some("the engine does not answer".into()),
        Ok(Err(e)) => return Some(e.to_string()),
        Ok(Ok(())) => {}
    }
    let now = app.clock.now();
    let storage = || app.storage.trouble().map(|t| t.to_string());
    let evaluation = || of_evaluation(&engine.view(), now);
    let delivery = || of_delivery(engine.with(Engine::owed_longest), now);
    engine.store().trouble().or_else(storage).or_else(evaluation).or_else(delivery)
}

/// Whether rules are evaluated: no group is overdue, and not all of them fail.
fn of_evaluation(view: &View, now: i64) -> Option<String> {
    if view.waits_for_data_since().is_some() {
        return None;
    }
    let groups = view.rule_groups();
    let is_overdue = |next_at: i64, interval: i64| now.saturating_sub(next_at) > (MISSED - 1) * interval + 60_000;
    if let Some(group) = groups.iter().find(|g| is_overdue(g.next_at, g.spec.interval)) {
        return Some(format!("rule group {} is not evaluated", group.spec.key.to_label()));
    }
    let mut rules = groups.iter().flat_map(|g| &g.state.rules).filter(|r| r.evaluated_at.is_some()).peekable();
    let any = rules.peek().is_some();
    let all_fail = any && rules.all(|r| r.health == Health::Bad);
    all_fail.then(|| "every rule fails".into())
}

/// Whether what is owed for longest is owed for too long.
fn of_delivery(owed: Option<(IntegrationId, i64)>, now: i64) -> Option<String> {
    let (integration, _) = owed.filter(|(_, since)| now.saturating_sub(*since) > OWED_TOO_LONG)?;
    let IntegrationId { receiver, kind, index } = integration;
    Some(format!("{receiver}/{kind}[{index}] did not take a notification for five minutes"))
}

impl Collect for Heartbeat {
    fn collect(&self, out: &mut Exposition) {
        if self.target.load().is_some() {
            self.calls.expose(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::{GroupKey, GroupSpec};
    use crate::engine::{Options, Setup};
    use crate::rules::PartialResponse;

    #[test]
    fn a_group_that_is_late_by_three_intervals_and_a_minute_is_not_evaluated() {
        let group = GroupSpec {
            key: GroupKey { file: "f.yml".into(), name: "g".into() },
            interval: 15_000,
            query_offset: 0,
            eval_offset: None,
            limit: 0,
            partial_response: PartialResponse::Abort,
            rules: Vec::new(),
        };
        let setup = Setup { groups: vec![group.into()], ..Setup::default() };
        let mut engine = Engine::start(Options::default(), setup, &Default::default(), 0);
        let view = engine.view();
        let last = view.rule_groups()[0].next_at - 15_000;
        assert_eq!(of_evaluation(&view, last + 3 * 15_000 + 60_000), None);
        let why = of_evaluation(&view, last + 3 * 15_000 + 60_001);
        assert_eq!(why.as_deref(), Some("rule group f.yml;g is not evaluated"));
    }

    #[test]
    fn what_is_owed_for_more_than_five_minutes_is_not_being_delivered() {
        let owed = Some((IntegrationId { receiver: "team".into(), kind: "slack".into(), index: 0 }, 1000));
        assert_eq!(of_delivery(None, 1_000_000), None);
        assert_eq!(of_delivery(owed.clone(), 301_000), None);
        let why = of_delivery(owed, 301_001);
        assert_eq!(why.as_deref(), Some("team/slack[0] did not take a notification for five minutes"));
    }
}
