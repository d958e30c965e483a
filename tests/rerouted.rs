//! Routes change while alerts fire: whoever was told of an alert is told of its end, wherever it is routed by then, over a
//! reload and over a restart. Alertmanager leaves the receiver that was told in its belief.

use std::sync::Arc;

use watchbell::alerting::schedule::Schedule;
use watchbell::clock::{Clock, VirtualClock};
use watchbell::engine::drive::{Audience, Replay};
use watchbell::engine::{Event, Options, Setup};
use watchbell::model::Matcher;
use watchbell::notify::{Notification, Outcome};
use watchbell::routing::config::GroupBy;
use watchbell::routing::{IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig};
use watchbell::state::{MemoryStore, StateStore, Table};

use crate::stage::{M, S, Stage, group, rule, setup};

/// What receivers are told, in lines: since which change of the world, the receiver, the group's labels, the alerts.
#[derive(Default)]
struct Told {
    clock: VirtualClock,
    lines: Vec<String>,
}

impl Audience for Told {
    fn deliver(&mut self, n: &Notification) -> Outcome {
        let one = |a: &watchbell::notify::NotifiedAlert| {
            let mark = if a.is_resolved() { "-" } else { "+" };
            format!("{mark}{}", a.labels.value("instance"))
        };
        let alerts: Vec<String> = n.alerts.iter().map(one).collect();
        let since = [400, 200, 40, 0].into_iter().find(|second| self.clock.now() >= second * S).unwrap_or_default();
        self.lines.push(format!("{since} {} {} {}", n.integration.receiver, n.group_labels, alerts.join(" ")));
        Outcome::Delivered
    }
}

fn route(receiver: &str) -> RouteSpec {
    RouteSpec {
        receiver: Some(receiver.into()),
        group_by: Some(GroupBy::Labels(vec!["alertname".into()])),
        group_wait: Some(5 * S),
        group_interval: Some(20 * S),
        repeat_interval: Some(60 * M),
        ..RouteSpec::default()
    }
}

fn routed(route: RouteSpec, receivers: &[&str]) -> Setup {
    let webhook = || IntegrationSpec { kind: "webhook".into(), index: 0, send_resolved: true };
    let receiver = |name: &&str| ((*name).into(), ReceiverSpec { integrations: vec![webhook()] });
    let config =
        RoutingConfig { route, receivers: receivers.iter().map(receiver).collect(), ..RoutingConfig::default() };
    let groups = vec![group("g", vec![rule("Down", 0, "critical")])];
    Setup { routing: Some(Arc::new(config)), ..setup(groups) }
}

fn child(instance: &str, receiver: &str) -> RouteSpec {
    let matchers = vec![Matcher::equal("instance", instance)];
    RouteSpec { matchers, receiver: Some(receiver.into()), ..RouteSpec::default() }
}

/// Down fires for a and b from 0 on. At 40 s the routes change; at 200 s b is over, at 400 s both.
fn play(changes: &[Setup], restarts: bool) -> Vec<String> {
    let (stage, store, mut told) = (Stage::default(), Arc::new(MemoryStore::default()), Told::default());
    let (clock, options) =
        (told.clock.clone(), Options { schedule: Schedule::Aligned { start: 0 }, ..Options::default() });
    stage.set("Down", &["a", "b"]);
    let mut setups = std::iter::once(routed(route("first"), &["first", "second"])).chain(changes.iter().cloned());
    let mut until = 40;
    let mut replay =
        Replay::start(options, setups.next().unwrap(), clock.clone(), &stage, store.clone(), &mut told).unwrap();
    replay.play_until(until * S).unwrap();
    for setup in setups {
        if restarts {
            drop(replay);
            replay = Replay::start(options, setup, clock.clone(), &stage, store.clone(), &mut told).unwrap();
        } else {
            replay.happen(Event::Reloaded(Box::new(setup))).unwrap();
        }
        until += 60;
        replay.play_until(until * S).unwrap();
    }
    replay.play_until(200 * S).unwrap();
    stage.set("Down", &["a"]);
    replay.play_until(400 * S).unwrap();
    stage.set("Down", &[]);
    replay.play_until(900 * S).unwrap();
    drop(replay);
    let state = store.load().unwrap();
    let left = state.read::<serde_json::Value>(Table::AggregationGroup).len();
    let alerts = state.read::<serde_json::Value>(Table::RoutedAlert).len();
    assert_eq!((left, alerts), (0, 0), "groups and alerts that are left in the store");
    told.lines
}

#[test]
fn whoever_was_told_of_an_alert_is_told_of_its_end_wherever_it_is_routed_by_then() {
    let both = ["first", "second"];
    let by_instance = |receiver| RouteSpec {
        group_by: Some(GroupBy::Labels(vec!["alertname".into(), "instance".into()])),
        ..route(receiver)
    };
    let with = |routes| RouteSpec { routes, ..route("first") };
    let old = r#"{alertname="Down"}"#;
    for (why, changes, mut want) in [
        (
            "another receiver",
            vec![routed(route("second"), &both)],
            vec![
                format!("0 first {old} +a +b"),
                format!("40 second {old} +a +b"),
                format!("200 first {old} -b"),
                format!("200 second {old} +a -b"),
                format!("400 first {old} -a"),
                format!("400 second {old} -a"),
            ],
        ),
        (
            "other groups",
            vec![routed(by_instance("first"), &both)],
            vec![
                format!("0 first {old} +a +b"),
                r#"40 first {alertname="Down", instance="a"} +a"#.into(),
                r#"40 first {alertname="Down", instance="b"} +b"#.into(),
                format!("200 first {old} -b"),
                r#"200 first {alertname="Down", instance="b"} -b"#.into(),
                format!("400 first {old} -a"),
                r#"400 first {alertname="Down", instance="a"} -a"#.into(),
            ],
        ),
        (
            "a child takes one of them",
            vec![routed(with(vec![child("b", "second")]), &both)],
            vec![
                format!("0 first {old} +a +b"),
                format!("40 second {old} +b"),
                format!("200 first {old} +a -b"),
                format!("200 second {old} -b"),
                format!("400 first {old} -a"),
            ],
        ),
        (
            "there and back",
            vec![routed(route("second"), &both), routed(route("first"), &both)],
            vec![
                format!("0 first {old} +a +b"),
                format!("40 second {old} +a +b"),
                format!("200 first {old} +a -b"),
                format!("200 second {old} -b"),
                format!("400 first {old} -a"),
                format!("400 second {old} -a"),
            ],
        ),
        (
            "the receiver is gone",
            vec![routed(route("second"), &["second"])],
            vec![
                format!("0 first {old} +a +b"),
                format!("40 second {old} +a +b"),
                format!("200 second {old} +a -b"),
                format!("400 second {old} -a"),
            ],
        ),
    ] {
        want.sort();
        for restarts in [false, true] {
            let mut told = play(&changes, restarts);
            told.sort();
            assert_eq!(told, want, "{why}, restarted: {restarts}");
        }
    }
}
