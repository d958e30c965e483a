//! One notification: why it was decided, what was new in it, and what became of it.

use rustc_hash::FxHashMap;

use crate::history::{DecidedAlert, Kind, Order, Query, Recorded, Time, What};
use crate::model::Labels;

use super::chain::{PageBefore, PageChain};
use super::past::{Past, told};
use super::sources::Sources;

/// Most notifications of the group that are looked at for the one before.
const MOST_BEFORE: usize = 200;

/// The notification of an id, and its last decision's time; nothing where none is known.
pub(super) fn page(sources: &Sources<'_>, id: u64) -> Option<(PageChain, i64)> {
    let all = Past::without_notes(sources, i64::MAX).of_notification(id);
    let (decided, attempts): (Vec<Recorded>, Vec<Recorded>) =
        all.into_iter().partition(|r| told(&r.decision.what).is_some());
    let first = &decided.first()?.decision;
    let why = told(&first.what)?;
    let last = attempts.last().map_or(first.time, |r| r.decision.time);
    let alerts: Vec<DecidedAlert> = decided.iter().flat_map(|r| &r.decision.alerts).cloned().collect();
    let before = before(sources, first.time, id, first);
    let was_told = |alert: &DecidedAlert| {
        before.as_ref().is_some_and(|(_, said)| said.get(&alert.labels).is_some_and(|resolved| !resolved))
    };
    let (resolved, firing): (Vec<_>, Vec<_>) = alerts.into_iter().partition(|a| a.resolved);
    let (still, new) = firing.into_iter().partition(was_told);
    let page = PageChain {
        notification: id,
        receiver: first.receiver.clone().unwrap_or_default(),
        integration: first.integration.clone().unwrap_or_default(),
        group_key: first.group_key.clone().unwrap_or_default(),
        instead_of: why.instead_of.clone(),
        decided_at: first.time,
        reason: why.reason.clone(),
        before: before.as_ref().map(|(page, _)| page.clone()),
        new,
        resolved,
        still,
        outcome: outcome(&attempts).to_owned(),
        attempts: attempts.into_iter().map(without_alerts).collect(),
    };
    Some((page, last.0))
}

/// The last notification of the same group that the same integration took before, and what it said.
fn before(
    sources: &Sources<'_>,
    decided_at: Time,
    id: u64,
    of: &crate::history::Decision,
) -> Option<(PageBefore, FxHashMap<Labels, bool>)> {
    let ask = sources.past?;
    let query = Query {
        group_key: of.group_key.as_deref().map(str::to_owned),
        receiver: of.receiver.as_deref().map(str::to_owned),
        kinds: vec![Kind::Sent],
        to: Some(decided_at.0),
        order: Order::Newest,
        limit: MOST_BEFORE,
        ..Query::default()
    };
    let sent = ask(&query).decisions;
    let is_it = |r: &&Recorded| r.decision.integration == of.integration && r.decision.notification != Some(id);
    let sent = sent.iter().find(is_it)?;
    let notification = sent.decision.notification?;
    let all = Past::without_notes(sources, decided_at.0).of_notification(notification);
    let told = all.iter().filter(|r| told(&r.decision.what).is_some());
    let said = told.flat_map(|r| &r.decision.alerts).map(|a| (a.labels.clone(), a.resolved)).collect();
    Some((PageBefore { notification, told_at: sent.decision.time }, said))
}

fn outcome(attempts: &[Recorded]) -> &'static str {
    let is = |kind: Kind| attempts.iter().any(|r| r.decision.kind() == kind);
    match attempts.last().map(|r| &r.decision.what) {
        _ if is(Kind::Sent) => "delivered",
        Some(What::Withdrawn { .. }) => "withdrawn",
        Some(What::GivenUp { .. }) => "refused",
        Some(What::Failed { .. }) => "retrying",
        _ => "open",
    }
}

/// What became of it is about the alerts that are told already.
fn without_alerts(mut recorded: Recorded) -> Recorded {
    recorded.decision.alerts = Vec::new();
    recorded.decision.more_alerts = 0;
    recorded
}
