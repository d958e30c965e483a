//! Routing, inhibition, silences and time intervals, each against its definition written down plainly: walk all of it, keep
//! no index, remember nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Timelike};
use proptest::collection::vec;
use proptest::prelude::*;
use watchbell::model::{Labels, MatchOp, Matcher};
use watchbell::routing::config::InhibitSpec;
use watchbell::routing::time_interval::Span;
use watchbell::routing::{
    NewSilence, ReceivedAlert, RouteSpec, RouteTree, Router, RoutingConfig, Silence, TimeInterval,
};
use watchbell::state::{Batch, MemoryStore, StateStore};

const NAMES: [&str; 3] = ["a", "b", "c"];
const VALUES: [&str; 3] = ["", "x", "y"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn labels() -> impl Strategy<Value = Labels> {
    vec(prop::sample::select(&VALUES[..]), 3).prop_map(|values| {
        let named = NAMES.iter().zip(values).filter(|(_, v)| !v.is_empty()).map(|(n, v)| (*n, v));
        Labels::from_pairs(named.chain([("id", "1")]))
    })
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let op = prop::sample::select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]);
    (op, name(), prop::sample::select(vec!["", "x", "y", "x|y", ".+"]))
        .prop_map(|(op, name, value)| Matcher::new(op, name, value.to_owned()).unwrap())
}

/// What a matcher says, from its definition.
fn says(m: &Matcher, alert: &Labels) -> bool {
    let value = alert.value(&m.name);
    let alike = match (m.op, &*m.value) {
        (MatchOp::Equal | MatchOp::NotEqual, wanted) => value == wanted,
        (_, "x|y") => value == "x" || value == "y",
        (_, ".+") => !value.is_empty(),
        (_, wanted) => value == wanted,
    };
    alike == matches!(m.op, MatchOp::Equal | MatchOp::Regex)
}

fn all_say(matchers: &[Matcher], alert: &Labels) -> bool {
    matchers.iter().all(|m| says(m, alert))
}

fn route() -> impl Strategy<Value = RouteSpec> {
    let node = |routes: Vec<RouteSpec>, matchers, continue_matching, receiver: Option<u8>| RouteSpec {
        matchers,
        continue_matching,
        receiver: receiver.map(|r| format!("r{r}").into()),
        routes,
        ..RouteSpec::default()
    };
    let leaf = (vec(matcher(), 0..3), any::<bool>(), any::<Option<u8>>());
    let leaf = leaf.prop_map(move |(m, c, r)| node(vec![], m, c, r));
    leaf.prop_recursive(3, 20, 4, move |inner| {
        (vec(inner, 0..4), vec(matcher(), 0..3), any::<bool>(), any::<Option<u8>>())
            .prop_map(move |(routes, m, c, r)| node(routes, m, c, r))
    })
}

/// Alertmanager's definition: the receivers of the deepest routes that match; siblings after a match only if it continues.
fn receivers(spec: &RouteSpec, inherited: &Arc<str>, alert: &Labels) -> Vec<Arc<str>> {
    if !all_say(&spec.matchers, alert) {
        return vec![];
    }
    let own = spec.receiver.as_ref().unwrap_or(inherited);
    let mut found = Vec::new();
    for child in &spec.routes {
        let below = receivers(child, own, alert);
        let matched = !below.is_empty();
        found.extend(below);
        if matched && !child.continue_matching {
            break;
        }
    }
    if found.is_empty() { vec![own.clone()] } else { found }
}

fn span(from: i32, to: i32) -> impl Strategy<Value = Span> {
    (from..=to, from..=to).prop_map(|(a, b)| Span { begin: a.min(b), end: a.max(b) })
}

fn interval() -> impl Strategy<Value = TimeInterval> {
    let times = (0u32..1440, 1u32..1440).prop_map(|(from, length)| (from, (from + length).min(1440)));
    let zones = vec![None, Some(chrono_tz::Asia::Riyadh), Some(chrono_tz::America::New_York)];
    (
        vec(times, 0..3),
        vec(span(0, 6), 0..2),
        vec(span(1, 31), 0..2),
        vec(span(1, 12), 0..2),
        prop::sample::select(zones),
    )
        .prop_map(|(times, weekdays, days_of_month, months, location)| TimeInterval {
            times,
            weekdays,
            days_of_month,
            months,
            years: vec![],
            location,
        })
}

#[derive(Clone, Debug)]
enum Change {
    Set(Vec<Matcher>, i64, i64),
    Expire(usize),
    Pass(i64),
    Collect,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (vec(matcher(), 1..3), 0i64..100, 1i64..100).prop_map(|(m, from, length)| Change::Set(m, from, length)),
        1 => (0usize..5).prop_map(Change::Expire),
        2 => (0i64..60).prop_map(Change::Pass),
        1 => Just(Change::Collect),
    ]
}

fn fires(labels: &Labels, ends_at: i64) -> watchbell::routing::RoutedAlert {
    ReceivedAlert { labels: labels.clone(), ends_at: Some(ends_at), ..ReceivedAlert::default() }.settle(0, 1).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn an_alert_goes_to_the_receivers_that_the_tree_says(mut root in route(), alerts in vec(labels(), 1..8)) {
        root.matchers.clear();
        root.receiver = Some("root".into());
        let tree = RouteTree::new(&root);
        for alert in alerts {
            let found = tree.matching(&alert).into_iter().filter_map(|i| tree.route(i)).map(|r| r.receiver.clone());
            prop_assert_eq!(found.collect::<Vec<_>>(), receivers(&root, &"root".into(), &alert));
        }
    }

    #[test]
    fn an_alert_is_inhibited_when_a_source_fires_that_shares_its_labels(
        rules in vec((vec(matcher(), 1..3), vec(matcher(), 1..3), vec(name(), 0..3)), 1..4),
        alerts in vec((labels(), 1i64..3), 1..8),
    ) {
        let spec = |(source, target, mut equal): (_, _, Vec<String>)| {
            equal.sort();
            equal.dedup();
            InhibitSpec { source, target, equal, ..InhibitSpec::default() }
        };
        let rules: Vec<InhibitSpec> = rules.into_iter().map(spec).collect();
        let config = RoutingConfig { inhibit_rules: rules.clone(), ..RoutingConfig::default() };
        let mut router = Router::new(Arc::new(config));
        let alerts: BTreeMap<Labels, i64> = alerts.into_iter().collect();
        for (labels, ends_at) in &alerts {
            router.receive(fires(labels, *ends_at), 0, &mut Batch::default());
        }
        for now in 0..3 {
            for target in alerts.keys() {
                let inhibits = |rule: &InhibitSpec| alerts.iter().any(|(source, ends_at)| {
                    let both = |l: &Labels| all_say(&rule.source, l) && all_say(&rule.target, l);
                    *ends_at > now
                        && all_say(&rule.source, source)
                        && all_say(&rule.target, target)
                        && rule.equal.iter().all(|n| source.value(n) == target.value(n))
                        && !(both(target) && both(source))
                });
                let inhibited = !router.status(target, now).unwrap().inhibited_by.is_empty();
                prop_assert_eq!(inhibited, rules.iter().any(inhibits), "{} at {}", target, now);
            }
        }
    }

    #[test]
    fn silences_mute_what_they_match_while_they_are_active(changes in vec(change(), 1..20), alerts in vec(labels(), 1..5)) {
        let mut router = Router::new(Arc::default());
        let (store, mut known, mut now) = (MemoryStore::default(), Vec::<(String, Vec<Matcher>, i64, i64)>::new(), 0);
        for alert in &alerts {
            router.receive(fires(alert, 1_000_000), 0, &mut Batch::default());
        }
        for change in changes {
            let mut batch = Batch::default();
            match change {
                Change::Set(matchers, from, length) => {
                    let (starts_at, ends_at) = (now + from, now + from + length);
                    let new = NewSilence { matchers: matchers.clone(), starts_at, ends_at, ..NewSilence::default() };
                    // One that matches everything is not accepted.
                    if let Ok(id) = router.silences.set(new, now, &mut batch) {
                        known.push((id, matchers, starts_at, ends_at));
                    }
                }
                Change::Expire(index) => {
                    if let Some((id, _, starts_at, ends_at)) = known.get_mut(index) {
                        let is_over = *ends_at <= now;
                        prop_assert_eq!(router.silences.expire(id, now, &mut batch).is_err(), is_over);
                        if !is_over {
                            (*starts_at, *ends_at) = ((*starts_at).min(now), now);
                        }
                    }
                }
                Change::Pass(by) => now += by,
                Change::Collect => router.collect_garbage(now, &mut batch),
            }
            store.apply(&batch).unwrap();
            for alert in &alerts {
                let mutes = |s: &&(String, Vec<Matcher>, i64, i64)| s.2 <= now && now < s.3 && all_say(&s.1, alert);
                let mut want: Vec<String> = known.iter().filter(mutes).map(|s| s.0.clone()).collect();
                want.sort();
                let mut found = router.status(alert, now).unwrap().silenced_by;
                found.sort();
                prop_assert_eq!(found, want);
            }
        }
        let all = |router: &Router| router.silences.iter().cloned().collect::<Vec<Silence>>();
        let restored = Router::restore(Arc::default(), &store.load().unwrap(), now, &mut Batch::default());
        prop_assert_eq!(all(&restored), all(&router), "restored from the store");
    }

    #[test]
    fn a_time_is_in_an_interval_when_its_zones_calendar_says_so(interval in interval(), at in 0i64..4_000_000_000) {
        let zone = interval.location.unwrap_or(chrono_tz::UTC);
        let t = DateTime::from_timestamp(at, 0).unwrap().with_timezone(&zone);
        let minute = t.hour() * 60 + t.minute();
        let last = (28..=31).rev().find(|d| t.with_day(*d).is_some()).unwrap() as i32;
        let inside = |spans: &[Span], n: i32| spans.is_empty() || spans.iter().any(|s| s.begin <= n && n <= s.end);
        let days = &interval.days_of_month;
        let in_days = days.is_empty() || days.iter().any(|s| {
            s.begin <= last && s.begin <= t.day() as i32 && t.day() as i32 <= s.end.min(last)
        });
        let want = (interval.times.is_empty() || interval.times.iter().any(|(a, b)| (*a..*b).contains(&minute)))
            && inside(&interval.weekdays, t.weekday().num_days_from_sunday() as i32)
            && inside(&interval.months, t.month() as i32)
            && in_days;
        prop_assert_eq!(interval.contains(at * 1000), want);
    }
}
