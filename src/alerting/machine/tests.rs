use proptest::prelude::*;

use super::*;

const TICK: i64 = 15_000;

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("alertname", "A"), ("i", name)])
}

fn instance(name: &str) -> Instance {
    Instance { labels: labels(name), annotations: Labels::empty(), value: 1.0 }
}

/// Runs one letter a tick: `x` the alert is in the result, `.` it is not. Returns a letter a tick for its state:
/// `.` unknown, `p` pending, `F` firing, `r` resolved and remembered.
fn run(script: &str, terms: &Terms) -> String {
    let mut table = AlertTable::default();
    let letter = |(i, c): (usize, char)| {
        let present = if c == 'x' { vec![instance("1")] } else { vec![] };
        step(&mut table, present, i as i64 * TICK, terms, &mut Vec::new()).unwrap();
        match table.get(&labels("1")).map(|a| a.state) {
            None => '.',
            Some(AlertState::Pending) => 'p',
            Some(AlertState::Firing) => 'F',
            Some(AlertState::Inactive) => 'r',
        }
    };
    script.chars().enumerate().map(letter).collect()
}

#[test]
fn an_alert_goes_through_its_states_at_evaluations() {
    let ticks = |hold: i64, keep: i64| Terms { hold: hold * TICK, keep_firing: keep * TICK, limit: 0 };
    let long = format!("x{}", ".".repeat(64));
    let remembered = format!("F{}...", "r".repeat(61));
    for (why, terms, script, want) in [
        ("no for: fires at once", ticks(0, 0), "xx.x", "FFrF"),
        ("fires when active for as long as for", ticks(2, 0), "xxxx", "ppFF"),
        ("a gap before firing forgets it", ticks(2, 0), "xx.xxx", "pp.ppF"),
        ("resolves where the result lacks it", ticks(1, 0), "xx..xx", "pFrrpF"),
        ("a for between two ticks fires at the later", Terms { hold: TICK + 1, ..ticks(0, 0) }, "xxx", "ppF"),
        ("keep_firing_for holds it", ticks(0, 2), "x...", "FFFr"),
        ("keep_firing_for starts again after it is back", ticks(0, 2), "x..x...", "FFFFFFr"),
        ("keep_firing_for does not hold a pending alert", ticks(2, 2), "x.", "p."),
        ("remembered for 15 minutes, then forgotten", ticks(0, 0), &long, &remembered),
    ] {
        assert_eq!(run(script, &terms), want, "{why}");
    }
}

#[test]
fn time_that_nobody_watched_does_not_count_towards_for() {
    let terms = Terms { hold: 60_000, ..Terms::default() };
    let mut table = AlertTable::default();
    step(&mut table, vec![instance("1")], 0, &terms, &mut Vec::new()).unwrap();
    table.get_mut(&labels("1")).unwrap().unobserved = 300_000;
    for (at, want) in [(345_000, AlertState::Pending), (360_000, AlertState::Firing)] {
        step(&mut table, vec![instance("1")], at, &terms, &mut Vec::new()).unwrap();
        let alert = table.get(&labels("1")).unwrap();
        assert_eq!((alert.state, alert.active_at), (want, 0), "at {at}");
    }
}

#[test]
fn duplicates_fail_the_rule_and_change_nothing() {
    let mut table = AlertTable::default();
    step(&mut table, vec![instance("1")], 0, &Terms::default(), &mut Vec::new()).unwrap();
    let before = table.clone();
    let mut transitions = Vec::new();
    let twice = vec![instance("2"), instance("2")];
    let error = step(&mut table, twice, TICK, &Terms::default(), &mut transitions).unwrap_err();
    assert_eq!(error.to_string(), "vector contains metrics with the same labelset after applying alert labels");
    assert_eq!((table, transitions), (before, vec![]));
}

#[test]
fn over_the_limit_all_alerts_end_and_firing_ones_resolve() {
    let terms = Terms { limit: 2, ..Terms::default() };
    let mut table = AlertTable::default();
    step(&mut table, vec![instance("1")], 0, &terms, &mut Vec::new()).unwrap();
    let mut transitions = Vec::new();
    let three = vec![instance("1"), instance("2"), instance("3")];
    let error = step(&mut table, three, TICK, &terms, &mut transitions).unwrap_err();
    assert_eq!(error.to_string(), "exceeded limit of 2 with 3 alerts");
    assert!(table.is_empty());
    assert!(matches!(transitions.as_slice(), [Transition::Resolved(a)] if a.labels == labels("1")), "{transitions:?}");
}

#[test]
fn what_changed_is_told_once() {
    let terms = Terms { hold: TICK, keep_firing: 2 * TICK, ..Terms::default() };
    let reworded = Instance { annotations: Labels::from_pairs([("summary", "now")]), ..instance("1") };
    let mut table = AlertTable::default();
    let told = [
        (vec![instance("1")], "pending"),
        (vec![instance("1")], "fired"),
        (vec![instance("1")], ""),
        (vec![reworded.clone()], "refreshed"),
        (vec![reworded], ""),
        (vec![], "held"),
        (vec![instance("1")], "held"),
        (vec![], "held"),
        (vec![], ""),
        (vec![], "resolved"),
        (vec![], ""),
    ];
    for (i, (instances, want)) in told.into_iter().enumerate() {
        let mut transitions = Vec::new();
        step(&mut table, instances, i as i64 * TICK, &terms, &mut transitions).unwrap();
        let names: Vec<_> = transitions.iter().map(name).collect();
        assert_eq!(names.join(" "), want, "tick {i}");
    }
}

fn name(t: &Transition) -> &'static str {
    match t {
        Transition::Pending(_) => "pending",
        Transition::Fired(_) => "fired",
        Transition::Refreshed(_) => "refreshed",
        Transition::Held(_) => "held",
        Transition::Resolved(_) => "resolved",
        Transition::Vanished(_) => "vanished",
        Transition::Forgotten(_) => "forgotten",
    }
}

/// What an alert's state must be, from the whole history of one alert and nothing else.
fn model(history: &[bool], hold: usize, keep: usize) -> char {
    let mut state = '.';
    let (mut since, mut absent, mut resolved) = (0, 0, 0);
    for (i, present) in history.iter().enumerate() {
        state = match (state, present) {
            ('p' | 'F', true) => {
                absent = 0;
                if state == 'F' || i - since >= hold { 'F' } else { 'p' }
            }
            (_, true) => {
                (since, absent) = (i, 0);
                if hold == 0 { 'F' } else { 'p' }
            }
            ('p', false) => '.',
            ('F', false) => {
                absent += 1;
                resolved = i;
                if absent <= keep { 'F' } else { 'r' }
            }
            ('r', false) if (i - resolved) as i64 * TICK > RESOLVED_RETENTION => '.',
            (other, false) => other,
        };
    }
    state
}

proptest! {
    #[test]
    fn any_history_gives_the_state_that_the_definition_gives(
        history in proptest::collection::vec(any::<bool>(), 1..120), hold in 0usize..5, keep in 0usize..4,
    ) {
        let terms = Terms { hold: hold as i64 * TICK, keep_firing: keep as i64 * TICK, limit: 0 };
        let script: String = history.iter().map(|p| if *p { 'x' } else { '.' }).collect();
        let got = run(&script, &terms);
        let want: String = (1..=history.len()).map(|n| model(&history[..n], hold, keep)).collect();
        prop_assert_eq!(got, want, "{}", script);
    }

    #[test]
    fn every_alert_that_fired_resolves_once_before_it_fires_again(
        ticks in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..4), 1..80),
        hold in 0i64..4, keep in 0i64..3, limit in 0usize..4,
    ) {
        let terms = Terms { hold: hold * TICK, keep_firing: keep * TICK, limit };
        let mut table = AlertTable::default();
        let mut firing = rustc_hash::FxHashSet::default();
        for (i, present) in ticks.into_iter().chain(std::iter::repeat_n(vec![], 4)).enumerate() {
            let mut transitions = Vec::new();
            let instances = present.iter().map(|n| instance(&n.to_string())).collect();
            let _ = step(&mut table, instances, i as i64 * TICK, &terms, &mut transitions);
            for t in transitions {
                let labels = t.alert().labels.clone();
                match t {
                    Transition::Fired(_) => prop_assert!(firing.insert(labels)),
                    Transition::Resolved(_) => prop_assert!(firing.remove(&labels)),
                    Transition::Refreshed(_) | Transition::Held(_) => prop_assert!(firing.contains(&labels)),
                    _ => prop_assert!(!firing.contains(&labels)),
                }
            }
        }
        prop_assert!(firing.is_empty());
    }
}
