//! Families that mean what Prometheus' of the same name mean: they are written under its prefix too, so that rules and
//! dashboards that are written for it go on working.

/// Our prefix, and Prometheus'.
pub(super) const PREFIXES: (&str, &str) = ("watchbell_", "prometheus_");

/// The names, without a prefix, ascending.
const SHARED: [&str; 85] = [
    "api_remote_write_invalid_labels_samples_total",
    "config_last_reload_success_timestamp_seconds",
    "config_last_reload_successful",
    "engine_queries",
    "engine_queries_concurrent_max",
    "engine_query_duration_seconds",
    "engine_query_log_enabled",
    "engine_query_log_failures_total",
    "http_request_duration_seconds",
    "http_requests_total",
    "notifications_alertmanagers_discovered",
    "notifications_dropped_total",
    "notifications_errors_total",
    "notifications_queue_capacity",
    "notifications_queue_length",
    "notifications_sent_total",
    "remote_storage_bytes_total",
    "remote_storage_exemplars_total",
    "remote_storage_histograms_total",
    "remote_storage_max_samples_per_send",
    "remote_storage_metadata_failed_total",
    "remote_storage_metadata_total",
    "remote_storage_queue_highest_sent_timestamp_seconds",
    "remote_storage_queue_highest_timestamp_seconds",
    "remote_storage_samples_dropped_total",
    "remote_storage_samples_failed_total",
    "remote_storage_samples_pending",
    "remote_storage_samples_retried_total",
    "remote_storage_samples_total",
    "remote_storage_shard_capacity",
    "remote_storage_shards",
    "remote_storage_shards_desired",
    "remote_storage_shards_max",
    "remote_storage_shards_min",
    "rule_evaluation_failures_total",
    "rule_evaluations_total",
    "rule_group_interval_seconds",
    "rule_group_iterations_missed_total",
    "rule_group_iterations_total",
    "rule_group_last_duration_seconds",
    "rule_group_last_evaluation_samples",
    "rule_group_last_evaluation_timestamp_seconds",
    "rule_group_last_rule_duration_sum_seconds",
    "rule_group_rules",
    "sd_file_read_errors_total",
    "target_interval_length_seconds",
    "target_metadata_cache_entries",
    "target_scrape_pool_exceeded_label_limits_total",
    "target_scrape_pool_exceeded_target_limit_total",
    "target_scrape_pool_sync_total",
    "target_scrape_pool_target_limit",
    "target_scrape_pool_targets",
    "target_scrape_pools_failed_total",
    "target_scrape_pools_total",
    "target_scrapes_exceeded_body_size_limit_total",
    "target_scrapes_exceeded_native_histogram_bucket_limit_total",
    "target_scrapes_exceeded_sample_limit_total",
    "target_scrapes_exemplar_out_of_order_total",
    "target_scrapes_sample_duplicate_timestamp_total",
    "target_scrapes_sample_out_of_bounds_total",
    "target_scrapes_sample_out_of_order_total",
    "target_sync_failed_total",
    "target_sync_length_seconds",
    "tsdb_blocks_loaded",
    "tsdb_checkpoint_creations_total",
    "tsdb_compactions_total",
    "tsdb_data_replay_duration_seconds",
    "tsdb_head_chunks",
    "tsdb_head_chunks_storage_size_bytes",
    "tsdb_head_max_time",
    "tsdb_head_min_time",
    "tsdb_head_samples_appended_total",
    "tsdb_head_series",
    "tsdb_head_series_created_total",
    "tsdb_head_series_removed_total",
    "tsdb_lowest_timestamp",
    "tsdb_retention_limit_bytes",
    "tsdb_retention_limit_seconds",
    "tsdb_size_retentions_total",
    "tsdb_storage_blocks_bytes",
    "tsdb_time_retentions_total",
    "tsdb_wal_corruptions_total",
    "tsdb_wal_segment_current",
    "tsdb_wal_storage_size_bytes",
    "tsdb_wal_writes_failed_total",
];

/// The name under Prometheus' prefix, if it has such a family.
pub(super) fn of_prometheus(name: &str) -> Option<String> {
    let bare = name.strip_prefix(PREFIXES.0)?;
    SHARED.binary_search(&bare).is_ok().then(|| format!("{}{bare}", PREFIXES.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        assert!(SHARED.is_sorted());
        assert_eq!(of_prometheus("watchbell_tsdb_head_series").as_deref(), Some("prometheus_tsdb_head_series"));
        assert_eq!(of_prometheus("watchbell_state_store_healthy"), None);
        assert_eq!(of_prometheus("alertmanager_alerts"), None);
    }
}
