//! Alertmanager's families in tables: what is read from the engine's view, and what is not there and stays at 0.

use crate::engine::{Counters, View};
use crate::instrument::{Figure, Kind, counter, gauge};
use crate::server::app::ConfigView;

pub(super) const BUILD_INFO: &str =
    "Always 1; the labels say what this is: which Alertmanager it stands for, and which Watchbell it is.";
pub(super) const SUPPRESSED: &str =
    "Alerts that flushes left out because they were silenced, inhibited or their route was mute.";
pub(super) const COMPILE_ERRORS: &str = "Silences whose matchers could not be compiled.";

/// Of routing.
pub(super) const VIEW: [Figure<View>; 6] = [
    gauge("alertmanager_alerts_per_alert_limit", "How many alerts of one name are taken in; 0 for any number.", |v| {
        v.name_limit().most as f64
    }),
    gauge("alertmanager_dispatcher_aggregation_groups", "Number of aggregation groups.", |v| v.group_count() as f64),
    gauge("alertmanager_inhibition_rules", "Number of configured inhibition rules.", |v| {
        v.routing().inhibit_rules.len() as f64
    }),
    gauge("alertmanager_integrations", "Number of integrations of receivers that a route names.", |v| {
        v.receivers_in_use().map(|r| r.integrations.len()).sum::<usize>() as f64
    }),
    gauge("alertmanager_receivers", "Number of receivers that a route names.", |v| v.receivers_in_use().count() as f64),
    gauge("watchbell_notification_log_entries", "Entries of the notification log.", |v| {
        v.notification_log_len() as f64
    }),
];

/// Of what happened since the start.
pub(super) const COUNTERS: [Figure<Counters>; 4] = [
    counter("alertmanager_nflog_maintenance_total", "Times the notification log was tidied.", |c| {
        c.maintenances as f64
    }),
    counter("alertmanager_silences_maintenance_total", "Times silences were tidied.", |c| c.maintenances as f64),
    counter("alertmanager_nflog_queries_total", "Times the notification log was asked about a group.", |c| {
        c.log_queries as f64
    }),
    counter("alertmanager_silences_queries_total", "Times silences were asked about an alert that was flushed.", |c| {
        c.silence_queries as f64
    }),
];

/// Of the configuration.
pub(super) const CONFIG: [Figure<ConfigView>; 3] = [
    gauge("alertmanager_config_hash", "A hash of the configuration in force; it is no cryptographic one.", |view| {
        // As many bits as a float holds exactly.
        (twox_hash::XxHash64::oneshot(0, view.alertmanager_yaml.as_bytes()) >> 16) as f64
    }),
    gauge(
        "alertmanager_config_last_reload_successful",
        "Whether the last reload of the configuration succeeded.",
        |view| f64::from(u8::from(view.reload_succeeded)),
    ),
    gauge(
        "alertmanager_config_last_reload_success_timestamp_seconds",
        "When the configuration was last put in force, seconds since 1970.",
        |view| view.loaded_at as f64 / 1_000.0,
    ),
];

/// Each of them is how many silences are kept.
pub(super) const SILENCE_SIZES: &[(&str, &str)] = &[
    ("alertmanager_silences_state_size", "Silences that are kept."),
    ("alertmanager_silences_matcher_index_size", "Silences whose matchers are compiled."),
    ("alertmanager_silences_version_index_size", "Silences that are indexed by when they changed."),
];

/// State is written as it changes: there are no snapshots, and nothing is tidied for long.
pub(super) const SUMMARIES: &[(&str, &str)] = &[
    ("alertmanager_dispatcher_alert_processing_duration_seconds", "How long alerts take to be put into their groups."),
    ("alertmanager_nflog_gc_duration_seconds", "How long it takes to tidy the notification log."),
    ("alertmanager_nflog_snapshot_duration_seconds", "How long snapshots of the notification log take."),
    ("alertmanager_silences_gc_duration_seconds", "How long it takes to tidy silences."),
    ("alertmanager_silences_snapshot_duration_seconds", "How long snapshots of silences take."),
];

pub(super) const QUERY_DURATIONS: &[(&str, &str)] = &[
    ("alertmanager_nflog_query_duration_seconds", "How long questions to the notification log take."),
    ("alertmanager_silences_query_duration_seconds", "How long questions about silences take."),
];

/// What cannot happen here.
pub(super) const ABSENT: &[(&str, Kind, &str)] = &[
    (
        "alertmanager_dispatcher_aggregation_group_creation_given_up_total",
        Kind::Counter,
        "Alerts for which no group could be made.",
    ),
    (
        "alertmanager_dispatcher_aggregation_group_creation_retries_total",
        Kind::Counter,
        "Times a group was to be made again.",
    ),
    (
        "alertmanager_dispatcher_aggregation_group_limit_reached_total",
        Kind::Counter,
        "Times there were too many groups for another one.",
    ),
    ("alertmanager_nflog_gossip_messages_propagated_total", Kind::Counter, "Messages passed on to other members."),
    ("alertmanager_nflog_maintenance_errors_total", Kind::Counter, "Times tidying the notification log failed."),
    ("alertmanager_nflog_query_errors_total", Kind::Counter, "Questions to the notification log that failed."),
    ("alertmanager_nflog_snapshot_size_bytes", Kind::Gauge, "The size of the last snapshot of the notification log."),
    ("alertmanager_silences_gc_errors_total", Kind::Counter, "Times tidying silences failed."),
    ("alertmanager_silences_gossip_messages_propagated_total", Kind::Counter, "Messages passed on to other members."),
    ("alertmanager_silences_maintenance_errors_total", Kind::Counter, "Times tidying silences failed as a whole."),
    ("alertmanager_silences_query_errors_total", Kind::Counter, "Questions about silences that failed."),
    ("alertmanager_silences_query_silences_scanned_total", Kind::Counter, "Silences looked at for questions."),
    ("alertmanager_silences_query_silences_skipped_total", Kind::Counter, "Silences passed over for questions."),
    ("alertmanager_silences_snapshot_size_bytes", Kind::Gauge, "The size of the last snapshot of silences."),
];

/// Of a cluster that has one member.
pub(super) const CLUSTER: &[(&str, Kind, &str, f64)] = &[
    ("alertmanager_cluster_members", Kind::Gauge, "Members of the cluster.", 1.0),
    ("alertmanager_cluster_failed_peers", Kind::Gauge, "Members that failed.", 0.0),
    ("alertmanager_cluster_health_score", Kind::Gauge, "How ill the cluster is; 0: not at all.", 0.0),
    ("alertmanager_cluster_messages_pruned_total", Kind::Counter, "Messages that were dropped.", 0.0),
    ("alertmanager_cluster_messages_queued", Kind::Gauge, "Messages that wait.", 0.0),
    ("alertmanager_cluster_peer_name_conflicts_total", Kind::Counter, "Members of one name.", 0.0),
    ("alertmanager_cluster_peers_joined_total", Kind::Counter, "Members that joined.", 1.0),
    ("alertmanager_cluster_peers_left_total", Kind::Counter, "Members that left.", 0.0),
    ("alertmanager_cluster_peers_update_total", Kind::Counter, "Members that said something new of themselves.", 0.0),
    ("alertmanager_cluster_reconnections_failed_total", Kind::Counter, "Members not reached again.", 0.0),
    ("alertmanager_cluster_reconnections_total", Kind::Counter, "Members reached again.", 0.0),
    ("alertmanager_cluster_refresh_join_failed_total", Kind::Counter, "Members not found by name again.", 0.0),
    ("alertmanager_cluster_refresh_join_total", Kind::Counter, "Members found by name again.", 0.0),
    ("alertmanager_peer_position", Kind::Gauge, "The place among the members, from 0.", 0.0),
];

pub(super) const CLUSTER_BY_PEER: &[(&str, Kind, &str)] = &[
    ("alertmanager_cluster_alive_messages_total", Kind::Counter, "Signs of life."),
    ("alertmanager_cluster_peer_info", Kind::Gauge, "Always 1, by the name of the member."),
];

pub(super) const CLUSTER_BY_MESSAGE: &[(&str, &str)] = &[
    ("alertmanager_cluster_messages_received_size_total", "Bytes of messages that came."),
    ("alertmanager_cluster_messages_received_total", "Messages that came."),
    ("alertmanager_cluster_messages_sent_size_total", "Bytes of messages that were sent."),
    ("alertmanager_cluster_messages_sent_total", "Messages that were sent."),
];

pub(super) const CLUSTER_BY_KEY: &[(&str, &str)] = &[
    ("alertmanager_oversized_gossip_message_dropped_total", "Large messages that were dropped."),
    ("alertmanager_oversized_gossip_message_failure_total", "Large messages that could not be sent."),
    ("alertmanager_oversized_gossip_message_sent_total", "Large messages that were sent."),
];
