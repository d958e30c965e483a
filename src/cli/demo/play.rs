//! Plays the incident in virtual time, through the engine that `run` uses.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alerting::schedule::Schedule;
use crate::alerting::world::{RuleContext, StorageWorld};
use crate::alerting::{Evaluated, GroupSpec, Transition};
use crate::clock::{Clock, VirtualClock};
use crate::datasource::LocalQuerier;
use crate::engine::drive::{Audience, Replay};
use crate::engine::{Options, Setup};
use crate::fleet::SCRAPE_INTERVAL;
use crate::history::{Decision, History};
use crate::model::Labels;
use crate::notify::said::{self, Said};
use crate::notify::{Notification, Outcome};
use crate::promql::{CompileOptions, EvalEnv};
use crate::service::renderer::TemplateRenderer;
use crate::state::{StateError, StateStore};

use super::backfill::{Stage, StageError};
use super::event::{Change, DeliveredNotification, StageEvent, What};
use super::mailbox::Mailbox;

/// Why the play stopped.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The fleet could not be stored.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// State could not be stored.
    #[error(transparent)]
    State(#[from] StateError),
    /// The audience has left, or cannot be reached.
    #[error("writing the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Whoever hears of events.
pub type Listener<'a> = &'a mut dyn FnMut(&StageEvent) -> std::io::Result<()>;

/// RuleContext of evaluation over the demo's database.
pub fn rule_context(stage: &Stage, external_url: &str) -> RuleContext {
    RuleContext {
        querier: Arc::new(LocalQuerier::new(Arc::new(stage.storage().clone()))),
        env: EvalEnv { default_step_ms: SCRAPE_INTERVAL, ..EvalEnv::default() },
        timeout: Duration::from_secs(120),
        options: CompileOptions::default(),
        external_labels: Labels::empty(),
        external_url: external_url.into(),
        common: None,
        tells_values: false,
    }
}

/// Where what is played is kept.
pub struct Kept<'a> {
    /// State.
    pub store: Arc<dyn StateStore>,
    /// Decisions, where anybody asks for them.
    pub history: Option<&'a History>,
}

/// Plays for `length` milliseconds from the clock's time on; `listener` hears everything in the order in which it happens.
///
/// # Errors
/// What cannot be stored or told.
pub fn play(
    stage: &Stage,
    setup: Setup,
    mailbox: Mailbox,
    kept: Kept<'_>,
    clock: VirtualClock,
    length: i64,
    listener: Listener<'_>,
) -> Result<(), PlayError> {
    let (start, Kept { store, history }) = (clock.now(), kept);
    let world = StorageWorld::new(
        rule_context(stage, &setup.external_url),
        stage.storage().clone(),
        Box::new(TemplateRenderer::default()),
    );
    let mut hall = Hall { mailbox, listener, history, seen: HashSet::new(), failure: None };
    let mut acts = stage.acts().into_iter().peekable();
    // People compute these times by hand: every group is evaluated when its samples have just arrived.
    let schedule = Schedule::Aligned { start };
    let options = Options { schedule, records: history.is_some(), ..Options::default() };
    stage.row(start)?;
    while let Some(act) = acts.next_if(|a| a.at <= start) {
        hall.tell(StageEvent { at: act.at, what: What::Act(act.what) });
    }
    let mut replay = Replay::start(options, setup, clock, &world, store, &mut hall)?;
    let mut t = start;
    while t < start + length {
        replay.play_until(t + SCRAPE_INTERVAL - 1)?;
        if let Some(failure) = replay.audience().failure.take() {
            return Err(failure.into());
        }
        t += SCRAPE_INTERVAL;
        stage.row(t)?;
        while let Some(act) = acts.next_if(|a| a.at <= t) {
            replay.audience().tell(StageEvent { at: act.at, what: What::Act(act.what) });
        }
    }
    Ok(())
}

/// The audience: turns what the engine does into events.
struct Hall<'a> {
    mailbox: Mailbox,
    listener: Listener<'a>,
    history: Option<&'a History>,
    // Alerts whose pending state was told: it may be stored again while it lasts.
    seen: HashSet<(Labels, i64)>,
    failure: Option<std::io::Error>,
}

impl Hall<'_> {
    fn tell(&mut self, event: StageEvent) {
        if self.failure.is_none() {
            self.failure = (self.listener)(&event).err();
        }
    }
}

impl Audience for Hall<'_> {
    fn record(&mut self, decisions: Vec<Decision>) {
        if let Some(history) = self.history {
            history.record(decisions);
        }
    }

    fn evaluated(&mut self, evaluated: &Evaluated, _spec: &GroupSpec) {
        for (_, transition) in &evaluated.transitions {
            let alert = transition.alert();
            let change = match transition {
                Transition::Pending(a) if self.seen.insert((a.labels.clone(), a.active_at)) => Change::Pending,
                Transition::Fired(_) => Change::Firing,
                Transition::Resolved(_) => Change::Resolved,
                _ => continue,
            };
            let what = What::Alert {
                change,
                labels: alert.labels.clone(),
                annotations: alert.annotations.clone(),
                value: alert.value,
            };
            self.tell(StageEvent { at: evaluated.at, what });
        }
    }

    fn deliver(&mut self, notification: &Notification) -> Outcome {
        let payload = match self.mailbox.post(notification) {
            Ok(payload) => payload,
            Err(reason) => return Outcome::GiveUp { reason },
        };
        let said = Said::of(&notification.integration.kind, &payload);
        if let Some(history) = self.history {
            history.record(said::rendered(notification, said, &[], notification.decided_at).into_iter().collect());
        }
        let mut names: Vec<&str> = notification.alerts.iter().map(|a| a.labels.value("alertname")).collect();
        names.dedup();
        let told = DeliveredNotification {
            alertname: names.join(","),
            labels: notification.group_labels.clone(),
            receiver: notification.integration.receiver.to_string(),
            integration: notification.integration.kind.to_string(),
            status: notification.status(),
            reason: notification.reason.as_str(),
            alerts: notification.alerts.len(),
            payload,
        };
        self.tell(StageEvent { at: notification.decided_at, what: What::Notified(Box::new(told)) });
        Outcome::Delivered
    }
}
