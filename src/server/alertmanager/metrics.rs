//! Alertmanager's own metric families, with its names, labels and meaning, so that dashboards and rules that are written
//! for them go on working. What Alertmanager counts of things that are not here (a gossip, snapshots) stays at 0.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::View;
use crate::instrument::{Collect as _, Exposition, Kind};
use crate::notify::failure::FailureReason;
use crate::notify::metrics::INTEGRATIONS;
use crate::server::api_metrics::{DURATIONS, MetricLabels};
use crate::server::app::App;

use super::metric_tables as tables;

/// Writes Alertmanager's families of a running service.
pub fn collect(app: &App, out: &mut Exposition) {
    let (view, now) = (app.engine.view(), app.engine.now());
    let labels = app.service.metric_labels;
    out.family("alertmanager_build_info", Kind::Gauge, tables::BUILD_INFO, |f| {
        let version = super::status::COMPATIBLE_VERSION;
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let none = ["branch", "goversion", "revision", "tags"].map(|name| (name, ""));
        let labels = [("goarch", arch), ("goos", os), ("version", version), ("watchbell", env!("CARGO_PKG_VERSION"))];
        f.sample(&[&none[..], &labels[..]].concat(), 1.0);
    });
    app.api_metrics.collect(out);
    alerts(&view, labels, out);
    // What there were too many of went no further.
    let written = app.api_metrics.taken().saturating_sub(view.name_limit().refused);
    let help = "Number of times alerts were written to subscriber channels";
    out.family("alertmanager_alerts_subscriber_channel_writes_total", Kind::Counter, help, |f| {
        for subscriber in ["dispatcher", "inhibitor"] {
            f.sample(&[("subscriber", subscriber)], written as f64);
        }
    });
    silences(&view, now, out);
    out.figures(&tables::VIEW, &view);
    out.figures(&tables::COUNTERS, &view.counters());
    out.figures(&tables::CONFIG, &app.config.load());
    notifications(&view, labels, out);
    for (name, help) in tables::SUMMARIES {
        out.family(name, Kind::Summary, help, |f| f.summary(&[], 0.0, 0));
    }
    for (name, help) in tables::QUERY_DURATIONS {
        out.family(name, Kind::Histogram, help, |f| {
            f.histogram(&[], &DURATIONS.map(|upper| (upper, 0)), 0.0, 0);
        });
    }
    for (name, kind, help) in tables::ABSENT {
        out.single(name, *kind, help, 0.0);
    }
    out.family("alertmanager_silences_matcher_compile_errors_total", Kind::Counter, tables::COMPILE_ERRORS, |f| {
        for stage in ["index", "load_snapshot"] {
            f.sample(&[("stage", stage)], 0.0);
        }
    });
    cluster(app.service.cluster.as_ref().map(|(name, _)| name.as_str()), out);
}

fn alerts(view: &View, labels: MetricLabels, out: &mut Exposition) {
    out.family("alertmanager_alerts", Kind::Gauge, "How many alerts by state.", |f| {
        let states = ["active", "suppressed", "unprocessed"];
        if !labels.group_keys {
            let marks = view.marks();
            for (state, count) in states.into_iter().zip([marks.active, marks.suppressed, marks.unprocessed]) {
                f.sample(&[("state", state)], count as f64);
            }
            return;
        }
        let mut counts: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
        for group in view.alert_groups(|_| true, |_| true) {
            let of_group = counts.entry(group.route.group_key(&group.labels)).or_default();
            for state in group.alerts.iter().filter_map(|row| row.known.mark.as_str()) {
                *of_group.entry(state).or_default() += 1;
            }
        }
        for (key, of_group) in &counts {
            for state in states {
                f.sample(&[("group_key", key), ("state", state)], of_group.get(state).copied().unwrap_or(0) as f64);
            }
        }
    });
    let limit = view.name_limit();
    let help = "Total number of alerts that were dropped due to per alert name limit";
    out.family("alertmanager_alerts_limited_total", Kind::Counter, help, |f| {
        if !labels.alert_names {
            f.sample(&[], limit.refused as f64);
            return;
        }
        for (name, count) in &*limit.by_name {
            f.sample(&[("alertname", name)], *count as f64);
        }
    });
    let suppressed = view.counters().suppressed;
    out.family("alertmanager_notifications_suppressed_total", Kind::Counter, tables::SUPPRESSED, |f| {
        for (reason, count) in [
            ("active_time_interval", suppressed.active_time_interval),
            ("inhibition", suppressed.inhibition),
            ("mute_time_interval", suppressed.mute_time_interval),
            ("silence", suppressed.silence),
        ] {
            f.sample(&[("reason", reason)], count as f64);
        }
    });
}

fn silences(view: &View, now: i64, out: &mut Exposition) {
    let counts = view.silence_counts(now);
    let states = [("active", counts.active), ("expired", counts.expired), ("pending", counts.pending)];
    out.family("alertmanager_silences", Kind::Gauge, "How many silences by state.", |f| {
        states.into_iter().for_each(|(state, count)| f.sample(&[("state", state)], count as f64));
    });
    let all = states.into_iter().map(|(_, count)| count as f64).sum();
    for (name, help) in tables::SILENCE_SIZES {
        out.single(name, Kind::Gauge, help, all);
    }
}

/// Notifications by kind of integration, and by receiver if that is asked for.
fn notifications(view: &View, labels: MetricLabels, out: &mut Exposition) {
    let mut begun: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut failed: BTreeMap<(&str, &str, FailureReason), u64> = BTreeMap::new();
    let shown = |receiver| if labels.receiver_names { receiver } else { "" };
    let mut known: BTreeSet<(&str, &str)> = BTreeSet::new();
    if !labels.receiver_names {
        known.extend(INTEGRATIONS.map(|kind| (kind, "")));
    }
    for (name, receiver) in &view.routing().receivers {
        known.extend(receiver.integrations.iter().map(|i| (&*i.kind, shown(&**name))));
    }
    for (kind, receiver, tally) in view.tallies().iter() {
        let key = (kind, shown(receiver));
        known.insert(key);
        *begun.entry(key).or_default() += tally.begun;
        for (reason, count) in &tally.failed {
            *failed.entry((key.0, key.1, *reason)).or_default() += count;
        }
    }
    fn named<'a>(kind: &'a str, reason: Option<&'a str>, receiver: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut labels = vec![("integration", kind)];
        labels.extend(reason.map(|reason| ("reason", reason)));
        labels.extend(Some(("receiver_name", receiver)).filter(|_| !receiver.is_empty()));
        labels
    }
    let help = "The total number of attempted notifications.";
    out.family("alertmanager_notifications_total", Kind::Counter, help, |f| {
        for key @ (kind, receiver) in &known {
            f.sample(&named(kind, None, receiver), begun.get(key).copied().unwrap_or(0) as f64);
        }
    });
    let help = "The total number of failed notifications.";
    out.family("alertmanager_notifications_failed_total", Kind::Counter, help, |f| {
        for (kind, receiver) in &known {
            for reason in FailureReason::ALL {
                let count = failed.get(&(kind, receiver, reason)).copied().unwrap_or(0);
                f.sample(&named(kind, Some(reason.as_str()), receiver), count as f64);
            }
        }
    });
}

/// A cluster of one, or none.
fn cluster(name: Option<&str>, out: &mut Exposition) {
    let help = "Indicates whether the clustering is enabled or not.";
    out.single("alertmanager_cluster_enabled", Kind::Gauge, help, f64::from(u8::from(name.is_some())));
    let Some(name) = name else { return };
    for (name, kind, help, value) in tables::CLUSTER {
        out.single(name, *kind, help, *value);
    }
    for (family, kind, help) in tables::CLUSTER_BY_PEER {
        out.family(family, *kind, help, |f| f.sample(&[("peer", name)], 1.0));
    }
    for (family, help) in tables::CLUSTER_BY_MESSAGE {
        out.family(family, Kind::Counter, help, |f| {
            ["full_state", "update"].into_iter().for_each(|of| f.sample(&[("msg_type", of)], 0.0));
        });
    }
    let help = "How long large messages take.";
    out.family("alertmanager_oversize_gossip_message_duration_seconds", Kind::Histogram, help, |f| {
        ["nfl", "sil"]
            .into_iter()
            .for_each(|key| f.histogram(&[("key", key)], &DURATIONS.map(|upper| (upper, 0)), 0.0, 0));
    });
    for (family, help) in tables::CLUSTER_BY_KEY {
        out.family(family, Kind::Counter, help, |f| {
            ["nfl", "sil"].into_iter().for_each(|key| f.sample(&[("key", key)], 0.0));
        });
    }
}
