//! What the engine counts: rule groups, alerts, silences, and how state is stored.

use crate::alerting::append::Refused;
use crate::instrument::{Collect, Exposition, Figure, Kind, counter, gauge};

use super::core::Counters;
use super::keeper::StoreView;
use super::live::Live;
use super::slot::GroupView;
use super::view::View;

/// Of every rule group, labelled `rule_group` as Prometheus labels it.
const GROUP: [Figure<GroupView>; 10] = [
    gauge("watchbell_rule_group_interval_seconds", "The interval of a rule group.", |g| {
        g.spec.interval as f64 / 1_000.0
    }),
    gauge("watchbell_rule_group_last_duration_seconds", "The duration of the last rule group evaluation.", |g| {
        g.state.duration
    }),
    gauge(
        "watchbell_rule_group_last_evaluation_timestamp_seconds",
        "The timestamp of the last rule group evaluation in seconds.",
        |g| g.state.evaluated_at.unwrap_or(0) as f64 / 1_000.0,
    ),
    gauge(
        "watchbell_rule_group_last_evaluation_samples",
        "The number of samples of the last rule group evaluation.",
        |g| g.state.rules.iter().map(|rule| rule.written.len()).sum::<usize>() as f64,
    ),
    gauge("watchbell_rule_group_last_rule_duration_sum_seconds", "What the rules of the last evaluation took.", |g| {
        g.state.rules.iter().map(|rule| rule.duration).sum()
    }),
    gauge("watchbell_rule_group_rules", "The number of rules.", |g| g.spec.rules.len() as f64),
    counter(
        "watchbell_rule_group_iterations_total",
        "The total number of scheduled rule group evaluations, whether executed or missed.",
        |g| g.iterations as f64,
    ),
    counter(
        "watchbell_rule_group_iterations_missed_total",
        "The total number of rule group evaluations missed due to slow rule group evaluation.",
        |g| g.missed as f64,
    ),
    counter("watchbell_rule_evaluations_total", "The total number of rule evaluations.", |g| g.evaluations as f64),
    counter("watchbell_rule_evaluation_failures_total", "The total number of rule evaluation failures.", |g| {
        g.failures as f64
    }),
];

const COUNTERS: [Figure<Counters>; 4] = [
    counter("watchbell_rule_samples_total", "The total number of samples written by rules.", |c| c.samples as f64),
    counter("watchbell_alerts_received_total", "The total number of received alerts.", |c| c.alerts_received as f64),
    counter("watchbell_alerts_invalid_total", "The total number of received alerts that were invalid.", |c| {
        c.alerts_invalid as f64
    }),
    gauge("watchbell_notifications_owed", "Notifications decided and not yet delivered.", |c| c.owed as f64),
];

const STORE: [Figure<StoreView>; 3] = [
    counter("watchbell_state_write_failures_total", "Batches of state that could not be stored in time.", |s| {
        s.failed_writes() as f64
    }),
    gauge("watchbell_state_store_healthy", "Whether state is being stored.", |s| {
        f64::from(u8::from(s.trouble().is_none()))
    }),
    gauge("watchbell_state_unstored_records", "Records that wait to be stored.", |s| s.unstored() as f64),
];

impl Collect for Live {
    fn collect(&self, out: &mut Exposition) {
        let view = self.view();
        let groups = view.rule_groups();
        let names: Vec<String> = groups.iter().map(|g| g.spec.key.to_label()).collect();
        let named = names.iter().zip(&groups).map(|(name, g)| (vec![("rule_group", name.as_str())], &**g));
        out.figures_by(&GROUP, &named.collect::<Vec<_>>());
        out.figures(&COUNTERS, &view.counters());
        refused(&view.counters().refused, out);
        let help = "Seconds since the engine's last turn; it turns once a second at least.";
        out.single("watchbell_engine_last_turn_age_seconds", Kind::Gauge, help, self.since_last_turn().as_secs_f64());
        out.figures(&STORE, self.store());
        self.store().health().collect(out);
        alerts(&view, self.now(), out);
    }
}

fn refused(refused: &Refused, out: &mut Exposition) {
    let help = "The total number of samples of rules that storage refused, by reason.";
    out.family("watchbell_rule_samples_refused_total", Kind::Counter, help, |f| {
        let Refused { out_of_order, duplicate, too_old } = *refused;
        for (reason, count) in [("duplicate", duplicate), ("out_of_order", out_of_order), ("too_old", too_old)] {
            f.sample(&[("reason", reason)], count as f64);
        }
    });
}

fn alerts(view: &View, now: i64, out: &mut Exposition) {
    let marks = view.marks();
    let help = "How many alerts by state, as they were when their groups last flushed.";
    out.family("watchbell_alerts", Kind::Gauge, help, |f| {
        for (state, count) in
            [("active", marks.active), ("suppressed", marks.suppressed), ("unprocessed", marks.unprocessed)]
        {
            f.sample(&[("state", state)], count as f64);
        }
    });
    let counts = view.silence_counts(now);
    out.family("watchbell_silences", Kind::Gauge, "How many silences by state.", |f| {
        for (state, count) in [("active", counts.active), ("expired", counts.expired), ("pending", counts.pending)] {
            f.sample(&[("state", state)], count as f64);
        }
    });
}
