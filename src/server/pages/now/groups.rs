//! The alerts that fire, grouped as their receivers see them, the worst first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::{AlertGroupView, OwingStage, Tellings, Told, View};
use crate::model::{Labels, cut};
use crate::notify::Reason;
use crate::notify::dedup::WhyNot;
use crate::routing::AlertStatus;
use crate::routing::alerts::AlertRow;
use crate::routing::tree::Route;
use crate::server::app::App;
use crate::server::pages::alert_text::{self, Severity};
use crate::server::pages::{links, zone};

use super::filter::Wanted;
use super::sparks::Sparks;

/// Most alerts of a page, and of one group among others.
pub(super) const OF_PAGE: usize = 40;
const OF_GROUP: usize = 10;
/// Most integrations of a group that are told of.
const MOST_TOLD: usize = 6;

/// An alert and what keeps it from being told.
type Stand = (Arc<AlertRow>, AlertStatus);

/// A group and how it stands with its alerts. Groups of the same labels and alerts are one here: their receivers see the
/// same.
pub(super) struct Group {
    views: Vec<AlertGroupView>,
    /// Those that may be told first, the worst of them first, and the newest.
    alerts: Vec<Stand>,
}

/// What of the alerts is shown.
pub(super) struct Shown {
    pub groups: Vec<Group>,
    /// Alerts that fire, each once however many groups it is in; of them, those that are muted.
    pub firing: usize,
    pub muted: usize,
}

impl Shown {
    /// Finds what is wanted.
    pub fn of(view: &View, wanted: &Wanted, now: i64) -> Shown {
        let groups = view.alert_groups(|row| wanted.speaks_of(row, now), |route| wanted.is_receiver(&route.receiver));
        let mut groups: Vec<Group> = groups.into_iter().filter_map(|g| Group::of(g, view, wanted, now)).collect();
        // Those of the same labels stand side by side.
        groups.dedup_by(|later, kept| {
            let is_same = later.is_same(kept);
            if is_same {
                kept.views.append(&mut later.views);
            }
            is_same
        });
        groups.sort_by_cached_key(Group::rank);
        let all = groups.iter().flat_map(|g| &g.alerts);
        let (mut firing, mut loud) = (BTreeSet::new(), BTreeSet::new());
        for (row, status) in all {
            let place = Arc::as_ptr(row);
            firing.insert(place);
            if !status.is_muted() {
                loud.insert(place);
            }
        }
        Shown { firing: firing.len(), muted: firing.len() - loud.len(), groups }
    }

    /// The groups of a page with their alerts, and how many pages there are. A group among others shows its first alerts
    /// alone, and says how many more it has.
    pub fn page(&self, page: usize) -> (Vec<(&Group, &[Stand])>, usize) {
        let most = if self.groups.len() == 1 { usize::MAX } else { OF_GROUP };
        let (mut shown, mut at) = (Vec::new(), 0);
        let (from, until) = (page.saturating_mul(OF_PAGE), page.saturating_add(1).saturating_mul(OF_PAGE));
        for group in &self.groups {
            let alerts = group.alerts.get(..most).unwrap_or(&group.alerts);
            let (first, last) = (from.clamp(at, at + alerts.len()) - at, until.clamp(at, at + alerts.len()) - at);
            at += alerts.len();
            if let Some(part) = alerts.get(first..last).filter(|part| !part.is_empty()) {
                shown.push((group, part));
            }
        }
        (shown, at.div_ceil(OF_PAGE))
    }
}

impl Group {
    fn of(view: AlertGroupView, all: &View, wanted: &Wanted, now: i64) -> Option<Group> {
        let muted_by = all.muting_intervals(&view.route, now);
        let status = |row: &AlertRow| AlertStatus { muted_by: muted_by.clone(), ..all.status(row, now) };
        let with_status = view.alerts.iter().map(|row| (row.clone(), status(row)));
        let mut alerts: Vec<_> = with_status.filter(|(_, status)| wanted.is_content(status)).collect();
        // Alertmanager's order breaks ties: the sort is stable.
        alerts.sort_by_key(|(row, status)| {
            (status.is_muted(), Severity::of(&row.alert.labels), Reverse(row.alert.starts_at))
        });
        (!alerts.is_empty()).then_some(Group { views: vec![view], alerts })
    }

    fn labels(&self) -> Option<&Labels> {
        self.views.first().map(|view| &view.labels)
    }

    /// Whether its receivers see what those of another group see, and as mute.
    fn is_same(&self, other: &Group) -> bool {
        let same = |((a, x), (b, y)): (&Stand, &Stand)| Arc::ptr_eq(a, b) && x == y;
        self.labels() == other.labels()
            && self.alerts.len() == other.alerts.len()
            && self.alerts.iter().zip(&other.alerts).all(same)
    }

    fn rank(&self) -> impl Ord + use<> {
        let worst = self.alerts.first();
        let newest = self.alerts.iter().map(|(row, _)| row.alert.starts_at).max();
        worst.map(|(row, status)| (status.is_muted(), Severity::of(&row.alert.labels), Reverse(newest)))
    }

    /// The group with a part of its alerts, for a template.
    pub fn shown(&self, part: &[Stand], about: &About<'_>) -> Value {
        let About { app, view, sparks, now, tellings } = *about;
        let labels = self.labels().cloned().unwrap_or_default();
        let mut telling = Telling::default();
        for group in &self.views {
            let one = Telling::of(tellings, &group.route, &group.labels);
            telling.next_flush = telling.next_flush.into_iter().chain(one.next_flush).min();
            telling.integrations.extend(one.integrations);
        }
        let names: Vec<&str> = labels.iter().map(|(name, _)| name).chain(["alertname", "severity"]).collect();
        let alerts = part.iter().map(|(row, status)| {
            let mut alert = alert_text::row(row, &app.service.external_url, &names, now);
            if let Some(object) = alert.as_object_mut() {
                object.insert("mutes".into(), mutes(status, view, now));
                object.insert("spark".into(), sparks.get(&row.alert.labels).map(String::as_str).into());
            }
            alert
        });
        let alone = |receiver: &str| {
            let pattern = regex::escape(receiver);
            links::query([("receiver", pattern.as_str()), ("filter", &links::equal_to(&labels))])
        };
        let receivers = self.views.iter().map(|view| &*view.route.receiver);
        let first = receivers.clone().next().unwrap_or("");
        let receivers = receivers.map(|name| json!({ "name": name, "alone": alone(name) }));
        json!({
            "receivers": receivers.collect::<Vec<_>>(),
            "labels": alert_text::labels(&labels, &[], 200),
            "alone": alone(first),
            "count": self.alerts.len(),
            "muted": self.alerts.iter().filter(|(_, status)| status.is_muted()).count(),
            "telling": tell(&telling, now),
            "alerts": alerts.collect::<Vec<_>>(),
            "more": self.alerts.len() - part.len(),
        })
    }
}

/// What all groups of a page are shown from.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub app: &'a App,
    pub view: &'a View,
    pub tellings: &'a Tellings<'a>,
    pub sparks: &'a Sparks,
    pub now: i64,
}

/// How it stands with telling a group.
#[derive(Default)]
pub(in crate::server::pages) struct Telling<'v> {
    /// When the group is looked at next, milliseconds; `None` for one that routing does not know.
    pub next_flush: Option<i64>,
    integrations: Vec<Told<'v>>,
}

impl<'v> Telling<'v> {
    /// Of a route's group of these labels.
    pub fn of(tellings: &Tellings<'v>, route: &Route, labels: &Labels) -> Self {
        let key: Arc<str> = route.group_key(labels).into();
        let mut integrations = tellings.integrations(route, &key);
        // One that stands in is of interest where it was needed.
        let heard = |told: &Told<'_>| told.telling.is_some_and(|t| t.told.is_some() || t.owed.is_some());
        integrations.retain(|told| !told.stands_in || heard(told));
        let timers = tellings.timers(&key, &route.receiver);
        Telling { next_flush: timers.iter().map(|timer| timer.next_flush).min(), integrations }
    }
}

/// What keeps an alert from being told, in words and with links.
pub(in crate::server::pages) fn mutes(status: &AlertStatus, view: &View, now: i64) -> Value {
    let mut all = Vec::new();
    for silence in status.silenced_by.iter().filter_map(|id| view.silence(id)) {
        let until = (silence.ends_at < crate::routing::NEVER).then(|| zone::time(silence.period(now).1, now));
        let kind = if silence.acknowledges.is_some() { "acknowledged" } else { "silenced" };
        let comment = cut(&silence.comment, 200);
        all.push(json!({
            "kind": kind, "by": silence.created_by, "comment": comment, "until": until, "silence": silence.id,
        }));
    }
    for source in &status.inhibited_by {
        let name = cut(source.value("alertname"), 100);
        all.push(json!({ "kind": "inhibited", "by": name, "alert": format!("{:016x}", source.fingerprint()) }));
    }
    all.extend(status.muted_by.iter().map(|name| json!({ "kind": "muted", "by": name })));
    all.into()
}

/// Who was told of a group, and when they are told next.
pub(in crate::server::pages) fn tell(telling: &Telling<'_>, now: i64) -> Value {
    let told: Vec<Value> =
        telling.integrations.iter().take(MOST_TOLD).map(|told| integration(told, telling, now)).collect();
    json!({ "told": told, "more": telling.integrations.len().saturating_sub(MOST_TOLD) })
}

fn integration(told: &Told<'_>, telling: &Telling<'_>, now: i64) -> Value {
    let known = told.telling;
    let verdict = known.and_then(|t| t.decision.as_ref()).map(|d| &d.verdict);
    let owed = known.and_then(|t| t.owed.as_ref());
    let error = owed.and_then(|owed| owed.last_error.as_deref());
    let next = match (verdict, owed.map(|owed| owed.stage)) {
        (_, Some(OwingStage::Again(due))) if error.is_some() => Some(due),
        _ if error.is_some() => None,
        (Some(Err(WhyNot::NothingNew { repeat_after })), _) => Some(*repeat_after),
        _ => telling.next_flush,
    };
    let told_at = known.and_then(|t| t.told.as_ref()?.at);
    json!({
        "receiver": &*told.key.integration.receiver,
        "kind": &*told.key.integration.kind,
        "at": told_at.map(|at| zone::time(at, now)),
        "why": verdict.map(why),
        "error": error.map(|e| cut(e, 300)),
        "next": next.filter(|at| *at >= now).map(|at| zone::time(at, now)),
    })
}

/// The last decision, in a few words.
fn why(verdict: &Result<Reason, WhyNot>) -> &'static str {
    match verdict {
        Ok(Reason::FirstNotification) => "it is new",
        Ok(Reason::NewAlertsInGroup) => "more alerts fire",
        Ok(Reason::NewResolvedAlerts) => "alerts resolved",
        Ok(Reason::AllAlertsResolved) => "all is over",
        Ok(Reason::RepeatIntervalElapsed) => "it goes on",
        Err(WhyNot::AllMuted) => "all of it is muted",
        Err(WhyNot::RouteMuted) => "a time interval mutes the route",
        Err(WhyNot::NeverTold) => "it ended before it was told",
        Err(WhyNot::ResolvesUnwanted) => "all is over, and that is not wanted",
        Err(WhyNot::NothingNew { .. }) => "nothing is new",
        Err(WhyNot::Owed { .. }) => "it is on its way",
        Err(WhyNot::NotNeeded) => "its receiver can be told",
        Err(WhyNot::Acknowledged) => "it is acknowledged",
        Err(WhyNot::UnderWay) => "an attempt is under way",
    }
}
