//! The alerts that fire, grouped as their receivers see them, the worst first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::{AlertGroupView, OwingStage, Tellings, Told, View};
use crate::model::{Labels, cut};
use crate::notify::Reason;
use crate::notify::dedup::WhyNot;
use crate::routing::alerts::AlertRow;
use crate::routing::tree::Route;
use crate::routing::{AlertStatus, NEVER, Silence};
use crate::server::app::App;
use crate::server::pages::alert_text::{self, Severity};
use crate::server::pages::{links, zone};

use super::filter::{Wanted, group_id};
use super::sparks::Sparks;

/// Most alerts of a page, and of one group among others.
const OF_PAGE: usize = 40;
const OF_GROUP: usize = 10;
/// Most integrations of a group that are told of.
const MOST_TOLD: usize = 6;

/// An alert and what keeps it from being told.
pub(in crate::server) type Stand = (Arc<AlertRow>, AlertStatus);

/// A group and how it stands with its alerts. Groups of the same labels and alerts are one here: their receivers see the
/// same.
pub(in crate::server) struct Group {
    views: Vec<AlertGroupView>,
    /// Those that may be told first, the worst of them first, and the newest.
    pub alerts: Vec<Stand>,
}

/// What of the alerts is shown.
pub(in crate::server) struct Shown {
    pub groups: Vec<Group>,
    /// Alerts that fire, each once however many groups it is in; of them, those that are muted.
    pub firing: usize,
    pub muted: usize,
}

impl Shown {
    /// Finds what is wanted.
    pub fn of(view: &View, wanted: &Wanted, now: i64) -> Shown {
        let groups = view.alert_groups(|row| wanted.speaks_of(row, now), |route| wanted.is_receiver(&route.receiver));
        let groups = groups.into_iter().filter(|group| wanted.is_group(&group.labels));
        let mut groups: Vec<Group> = groups.filter_map(|g| Group::of(g, view, wanted, now)).collect();
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

    /// The labels that its alerts share.
    pub fn labels(&self) -> Option<&Labels> {
        self.views.first().map(|view| &view.labels)
    }

    /// Its receivers, in the order of their routes.
    pub fn receivers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.views.iter().map(|view| &view.route.receiver)
    }

    /// How it stands with telling its receivers.
    pub fn telling<'v>(&self, tellings: &Tellings<'v>) -> Telling<'v> {
        let mut telling = Telling::default();
        for group in &self.views {
            let one = Telling::of(tellings, &group.route, &group.labels);
            telling.next_flush = telling.next_flush.into_iter().chain(one.next_flush).min();
            telling.integrations.extend(one.integrations);
        }
        telling
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
    pub(super) fn shown(&self, part: &[Stand], about: &About<'_>) -> Value {
        let About { app, view, sparks, now, tellings } = *about;
        let labels = self.labels().cloned().unwrap_or_default();
        let telling = self.telling(tellings);
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
            let (filter, group) = (links::equal_to(&labels), group_id(&labels));
            links::query([("receiver", pattern.as_str()), ("filter", &filter), ("group", &group)])
        };
        let first = self.receivers().next().map_or("", |name| &**name);
        let receivers = self.receivers().map(|name| json!({ "name": name, "alone": alone(name) }));
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
pub(in crate::server) struct Telling<'v> {
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

/// One thing that keeps an alert from being told.
pub(in crate::server) enum Mute<'v> {
    /// A silence, which may be an acknowledgement.
    Silence(&'v Silence),
    /// An alert that inhibits it, by its labels.
    Alert(Labels),
    /// A time interval, by name.
    Interval(String),
}

impl<'v> Mute<'v> {
    /// All of it.
    pub fn all(status: &AlertStatus, view: &'v View) -> Vec<Mute<'v>> {
        let silences = status.silenced_by.iter().filter_map(|id| view.silence(id));
        let silences = silences.map(|silence| Mute::Silence(silence));
        let inhibited = status.inhibited_by.iter().map(|source| Mute::Alert(source.clone()));
        silences.chain(inhibited).chain(status.muted_by.iter().cloned().map(Mute::Interval)).collect()
    }

    /// In a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Mute::Silence(silence) if silence.acknowledges.is_some() => "acknowledged",
            Mute::Silence(_) => "silenced",
            Mute::Alert(_) => "inhibited",
            Mute::Interval(_) => "muted",
        }
    }

    /// Who made the silence; the name of the alert or the interval.
    pub fn by(&self) -> &str {
        match self {
            Mute::Silence(silence) => &silence.created_by,
            Mute::Alert(source) => source.value("alertname"),
            Mute::Interval(name) => name,
        }
    }

    /// When it ends, if it says so.
    pub fn until(&self, now: i64) -> Option<i64> {
        match self {
            Mute::Silence(silence) => (silence.ends_at < NEVER).then(|| silence.period(now).1),
            _ => None,
        }
    }
}

/// What keeps an alert from being told, in words and with links.
pub(in crate::server::pages) fn mutes(status: &AlertStatus, view: &View, now: i64) -> Value {
    let shown = |mute: Mute<'_>| {
        let mut shown = json!({ "kind": mute.kind(), "by": mute.by() });
        match &mute {
            Mute::Silence(silence) => {
                shown["comment"] = cut(&silence.comment, 200).into();
                shown["until"] = mute.until(now).map(|until| zone::time(until, now)).into();
                shown["silence"] = silence.id.as_str().into();
            }
            Mute::Alert(source) => {
                shown["by"] = cut(mute.by(), 100).into();
                shown["alert"] = format!("{:016x}", source.fingerprint()).into();
            }
            Mute::Interval(_) => {}
        }
        shown
    };
    Mute::all(status, view).into_iter().map(shown).collect()
}

/// Who was told of a group, and when they are told next.
pub(in crate::server::pages) fn tell(telling: &Telling<'_>, now: i64) -> Value {
    let shown = |heard: Heard<'_>| {
        json!({
            "receiver": heard.receiver,
            "kind": heard.integration,
            "at": heard.at.map(|at| zone::time(at, now)),
            "why": heard.why,
            "error": heard.error.map(|e| cut(e, 300)),
            "next": heard.next.map(|at| zone::time(at, now)),
        })
    };
    let told: Vec<Value> = telling.heard(now).map(shown).collect();
    json!({ "told": told, "more": telling.integrations.len().saturating_sub(MOST_TOLD) })
}

/// How it stands with telling one integration.
pub(in crate::server) struct Heard<'t> {
    pub receiver: &'t str,
    pub integration: &'t str,
    /// When it was told last, milliseconds.
    pub at: Option<i64>,
    /// The last decision, in a few words.
    pub why: Option<&'static str>,
    /// Why the attempt that is owed has failed so far.
    pub error: Option<&'t str>,
    /// When it is told or looked at next, milliseconds.
    pub next: Option<i64>,
}

impl Telling<'_> {
    /// How it stands with the first of the integrations.
    pub fn heard(&self, now: i64) -> impl Iterator<Item = Heard<'_>> {
        self.integrations.iter().take(MOST_TOLD).map(move |told| Heard::of(told, self.next_flush, now))
    }
}

impl<'t> Heard<'t> {
    fn of(told: &'t Told<'_>, next_flush: Option<i64>, now: i64) -> Self {
        let known = told.telling;
        let verdict = known.and_then(|t| t.decision.as_ref()).map(|d| &d.verdict);
        let owed = known.and_then(|t| t.owed.as_ref());
        let error = owed.and_then(|owed| owed.last_error.as_deref());
        let next = match (verdict, owed.map(|owed| owed.stage)) {
            (_, Some(OwingStage::Again(due))) if error.is_some() => Some(due),
            _ if error.is_some() => None,
            (Some(Err(WhyNot::NothingNew { repeat_after })), _) => Some(*repeat_after),
            _ => next_flush,
        };
        Heard {
            receiver: &told.key.integration.receiver,
            integration: &told.key.integration.kind,
            at: known.and_then(|t| t.told.as_ref()?.at),
            why: verdict.map(why),
            error,
            next: next.filter(|at| *at >= now),
        }
    }
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
