use super::super::config::{GroupBy, RouteSpec};
use super::super::time_interval::TimeInterval;
use super::super::{NewSilence, ReceivedAlert};
use super::*;
use crate::model::Matcher;
use crate::state::{MemoryStore, StateStore};

fn config() -> Arc<RoutingConfig> {
    let child = RouteSpec {
        matchers: vec![Matcher::equal("severity", "critical")],
        receiver: Some("pager".into()),
        continue_matching: true,
        ..RouteSpec::default()
    };
    let nightly =
        RouteSpec { mute_time_intervals: vec!["always".into()], receiver: Some("night".into()), ..child.clone() };
    Arc::new(RoutingConfig {
        route: RouteSpec {
            receiver: Some("default".into()),
            group_by: Some(GroupBy::Labels(vec!["alertname".into()])),
            routes: vec![child, nightly],
            ..RouteSpec::default()
        },
        time_intervals: [("always".to_owned(), vec![TimeInterval::default()])].into(),
        ..RoutingConfig::default()
    })
}

fn alert(pairs: &[(&str, &str)], starts_at: i64) -> RoutedAlert {
    let labels = Labels::from_pairs(pairs.iter().copied().chain([("alertname", "A")]));
    let received = ReceivedAlert { labels, starts_at: Some(starts_at), ..ReceivedAlert::default() };
    RoutedAlert { ends_at: None, timeout: false, ..received.settle(starts_at, 1).unwrap() }
}

fn resolved(mut alert: RoutedAlert, at: i64) -> RoutedAlert {
    alert.ends_at = Some(at);
    alert.updated_at = at;
    alert
}

fn told(flush: &Flush) -> Vec<(String, bool)> {
    flush.alerts.iter().map(|a| (a.alert.labels.value("i").to_owned(), a.resolved)).collect()
}

#[test]
fn a_group_waits_for_company_and_then_flushes_at_its_interval() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[("i", "1")], 0), 0, &mut batch);
    let [(first, id)] = router.take_armed()[..] else { panic!("one group") };
    assert_eq!(first, 30_000);
    router.hold(1, alert(&[("i", "2")], 10_000), 10_000, &mut batch);
    assert!(router.take_armed().is_empty(), "the second joins the first");
    assert!(router.flush(id, 29_999, |_, _| true, &mut batch).is_none());
    let flush = router.flush(id, 30_000, |_, _| true, &mut batch).unwrap();
    assert_eq!(&*flush.key, r#"{}:{alertname="A"}"#);
    assert_eq!(told(&flush), [("1".into(), false), ("2".into(), false)]);
    assert_eq!(router.take_armed(), [(330_000, id)]);
}

#[test]
fn an_alert_older_than_the_wait_flushes_a_new_group_at_once() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[], 0), 60_000, &mut batch);
    assert_eq!(router.take_armed().last().unwrap().0, 60_000);
}

#[test]
fn an_old_alert_that_joins_a_group_waits_with_those_that_wait() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[("i", "1")], 60_000), 60_000, &mut batch);
    router.hold(1, alert(&[("i", "2")], 0), 61_000, &mut batch);
    let armed: Vec<i64> = router.take_armed().iter().map(|(at, _)| *at).collect();
    assert_eq!(armed, [90_000]);
}

#[test]
fn a_resolved_alert_stays_until_its_receivers_know_and_then_its_group_goes() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    let (one, two) = (alert(&[("i", "1")], 0), alert(&[("i", "2")], 0));
    router.hold(1, one.clone(), 0, &mut batch);
    router.hold(1, two.clone(), 0, &mut batch);
    let (_, id) = router.take_armed()[0];
    router.release(1, resolved(one.clone(), 10), 10, &mut batch);
    assert_eq!(
        told(&router.flush(id, 30_000, |_, _| true, &mut batch).unwrap()),
        [("1".into(), true), ("2".into(), false)]
    );
    // The first fires again before the receivers know: it stays.
    router.hold(1, RoutedAlert { updated_at: 31_000, ..alert(&[("i", "1")], 31_000) }, 31_000, &mut batch);
    router.settle(id, 32_000, &mut batch);
    assert_eq!(router.group(id).unwrap().members.len(), 2);
    router.release(1, resolved(one, 40_000), 40_000, &mut batch);
    router.release(1, resolved(two, 40_000), 40_000, &mut batch);
    router.flush(id, 330_000, |_, _| true, &mut batch).unwrap();
    router.settle(id, 330_001, &mut batch);
    assert_eq!((router.groups().count(), router.alerts().count()), (0, 0));
    let store = MemoryStore::default();
    store.apply(&batch).unwrap();
    assert!(store.load().unwrap().is_empty(), "nothing is left in the store");
}

#[test]
fn an_alert_of_two_rules_resolves_when_both_let_go() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[], 0), 0, &mut batch);
    router.hold(2, alert(&[], 5), 5, &mut batch);
    router.release(1, resolved(alert(&[], 0), 10), 10, &mut batch);
    let labels = alert(&[], 0).labels;
    assert!(!router.alert(&labels).unwrap().is_resolved(10));
    router.release(2, resolved(alert(&[], 5), 20), 20, &mut batch);
    assert_eq!(router.alert(&labels).map(|a| (a.starts_at, a.ends_at)), Some((0, Some(20))));
}

#[test]
fn silences_and_intervals_are_looked_at_when_a_group_flushes() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[("severity", "critical")], 0), 0, &mut batch);
    let ids: Vec<GroupId> = router.take_armed().iter().map(|(_, id)| *id).collect();
    let new = NewSilence { matchers: vec![Matcher::equal("alertname", "A")], ends_at: 50_000, ..NewSilence::default() };
    router.silences.set(new, 10, &mut batch).unwrap();
    for (now, muted) in [(30_000, true), (50_000, false)] {
        let flushes: Vec<Flush> = ids.iter().map(|id| router.look(*id, now, &mut batch).unwrap()).collect();
        assert!(flushes.iter().all(|f| f.alerts[0].status.is_muted() == muted), "at {now}");
        let mute_routes: Vec<_> =
            flushes.iter().map(|f| (&*f.route.receiver, !f.muting_intervals.is_empty())).collect();
        assert_eq!(mute_routes, [("pager", false), ("night", true)]);
    }
}

#[test]
fn after_a_restart_groups_keep_their_time() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[("i", "1")], 0), 0, &mut batch);
    let store = MemoryStore::default();
    store.apply(&batch).unwrap();
    let mut again = Router::restore(config(), &store.load().unwrap(), 20_000, &mut batch);
    let [(at, id)] = again.take_armed()[..] else { panic!("one group") };
    assert_eq!(at, 30_000, "what was left of group_wait");
    again.flush(id, 30_000, |_, _| true, &mut batch).unwrap();
    store.apply(&batch).unwrap();
    let mut third = Router::restore(config(), &store.load().unwrap(), 400_000, &mut batch);
    let last = third.take_armed().pop().unwrap();
    assert_eq!(last.0, 330_000, "overdue: flushed as soon as anyone looks");
}

#[test]
fn a_reload_makes_the_groups_anew() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold(1, alert(&[], 0), 0, &mut batch);
    let id = router.take_armed()[0].1;
    router.flush(id, 30_000, |_, _| true, &mut batch).unwrap();
    router.take_armed();
    let mut other = (*config()).clone();
    other.route.routes.truncate(1);
    router.reconfigure(Arc::new(other.clone()), false, 60_000, &mut batch);
    let (at, id) = router.take_armed().pop().unwrap();
    assert_eq!(at, 60_000, "the alert has fired for longer than a new group waits");
    router.flush(id, 60_000, |_, _| true, &mut batch).unwrap();
    assert_eq!(router.take_armed(), [(360_000, id)]);
    router.reconfigure(Arc::new(other.clone()), false, 70_000, &mut batch);
    assert_eq!(router.take_armed(), [], "nothing has changed");
    router.reconfigure(Arc::new(other.clone()), true, 80_000, &mut batch);
    assert_eq!(router.take_armed().pop().unwrap().0, 80_000, "unless it is asked for");
    other.route.group_by = Some(GroupBy::All);
    router.reconfigure(Arc::new(other), false, 90_000, &mut batch);
    router.forget_timers(&mut batch);
    let store = MemoryStore::default();
    store.apply(&batch).unwrap();
    assert_eq!(store.load().unwrap().len(), 2, "an alert and a group; those before are forgotten");
}

#[test]
fn nothing_is_flushed_while_it_is_held() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    router.hold_until(40_000);
    router.hold(1, alert(&[], 0), 0, &mut batch);
    let id = router.take_armed()[0].1;
    assert!(router.flush(id, 30_000, |_, _| true, &mut batch).is_none());
    assert_eq!(router.take_armed(), [(40_000, id)]);
    assert!(router.flush(id, 40_000, |_, _| true, &mut batch).is_some());
    assert_eq!(router.take_armed(), [(340_000, id)]);
}

#[test]
fn a_timeout_that_a_clock_ahead_set_ends_nothing_when_it_is_back() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    let timeout = router.resolve_timeout();
    let ahead = 7_200_000;
    let posted = RoutedAlert { ends_at: Some(ahead + timeout), timeout: true, updated_at: ahead, ..alert(&[], ahead) };
    router.receive(posted, ahead, &mut batch);
    router.step_back(-ahead, 1000, &mut batch);
    let after = router.alerts().next().unwrap();
    assert_eq!((after.starts_at, after.ends_at, after.updated_at), (1000, Some(1000 + timeout), 1000));
}

#[test]
fn an_end_that_a_clock_ahead_promised_gives_way_to_the_next_post() {
    let (mut router, mut batch) = (Router::new(config()), Batch::default());
    let ahead = 7_200_000;
    let post = |at: i64| RoutedAlert { ends_at: Some(at + 60_000), updated_at: at, ..alert(&[], at) };
    router.receive(post(ahead), ahead, &mut batch);
    router.step_back(-ahead, 1000, &mut batch);
    let end = |router: &Router| router.alerts().next().unwrap().ends_at;
    assert_eq!(end(&router), Some(ahead + 60_000), "until someone speaks again it stands");
    router.receive(RoutedAlert { starts_at: 0, ..post(2000) }, 2000, &mut batch);
    assert_eq!(end(&router), Some(62_000));
}

#[test]
fn times_at_the_ends_of_what_can_be_said_do_no_harm() {
    for (starts_at, ends_at) in
        [(i64::MAX, None), (i64::MIN, Some(i64::MAX)), (i64::MAX, Some(i64::MAX)), (i64::MIN, None)]
    {
        for now in [i64::MIN, 0, i64::MAX] {
            let (mut router, mut batch) = (Router::new(config()), Batch::default());
            for starts_at in [starts_at, 0] {
                let labels = Labels::from_pairs([("alertname", "A")]);
                let alert = RoutedAlert { starts_at, ends_at, ..alert(&[("i", "1")], 0) };
                router.receive(RoutedAlert { labels, updated_at: now, ..alert }, now, &mut batch);
            }
            for (_, id) in router.take_armed() {
                router.flush(id, i64::MAX, |_, _| true, &mut batch);
                router.settle(id, i64::MAX, &mut batch);
            }
            let store = MemoryStore::default();
            store.apply(&batch).unwrap();
            let mut again = Router::restore(config(), &store.load().unwrap(), now, &mut batch);
            again.leap_ahead(i64::MAX, now, &mut batch);
            again.step_back(i64::MIN, now, &mut batch);
            again.collect_garbage(now, &mut batch);
        }
    }
}
