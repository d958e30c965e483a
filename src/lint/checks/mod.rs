//! The table of checks: one file, one row.

mod absent_at_once;
mod absent_labels;
mod always_exceeded;
mod baseline_overlap;
mod bool_comparison;
mod bucket_bounds;
mod clear_secret;
mod dead_or;
mod default_receiver;
mod division_by_zero;
mod duplicate;
mod event_code;
mod external_label;
mod few_requests;
mod few_scrapes;
mod float_equality;
mod for_one_scrape;
mod fragile;
mod impossible;
mod indistinct;
mod inhibits_all;
mod inhibits_nothing;
mod link;
mod local_label;
mod lost_label;
mod lost_series;
mod missing_label;
mod never_reached;
mod no_comparison;
mod no_external_label;
mod no_label;
mod no_match;
mod no_metric_name;
mod no_series;
mod offset_samples;
mod order;
mod percent;
mod quantile_range;
mod quantile_without_le;
mod rate_of_sum;
mod rate_on_gauge;
mod raw_counter;
mod raw_value;
pub(super) mod reading;
mod record_name;
mod recorded_already;
mod regexp;
mod repeat_interval;
mod required_annotation;
mod required_for;
mod required_label;
mod required_name;
mod shadowed_route;
mod short_for;
mod short_past;
mod slow_record;
mod template_fails;
mod template_label;
mod units;
mod unmatched_route;
mod unrecorded;
mod unused_interval;
mod unused_receiver;
mod used_over_free;
mod useless_continue;
mod value_in_label;
mod vector_matching;
mod zero_for;

use super::check::Check;
use super::look::Row;

/// All checks that look, ascending by name.
pub(super) static TABLE: &[Row] = &[
    absent_at_once::ROW,
    required_annotation::ROW,
    bool_comparison::ROW,
    no_external_label::ROW,
    few_requests::ROW,
    required_for::ROW,
    for_one_scrape::ROW,
    indistinct::ROW,
    link::ROW,
    local_label::ROW,
    missing_label::ROW,
    no_comparison::ROW,
    percent::ROW,
    raw_value::ROW,
    short_for::ROW,
    template_fails::ROW,
    template_label::ROW,
    value_in_label::ROW,
    zero_for::ROW,
    always_exceeded::ROW,
    bucket_bounds::ROW,
    lost_series::ROW,
    never_reached::ROW,
    no_label::ROW,
    no_match::ROW,
    no_series::ROW,
    short_past::ROW,
    absent_labels::ROW,
    baseline_overlap::ROW,
    dead_or::ROW,
    division_by_zero::ROW,
    event_code::ROW,
    few_scrapes::ROW,
    float_equality::ROW,
    fragile::ROW,
    impossible::ROW,
    lost_label::ROW,
    no_metric_name::ROW,
    offset_samples::ROW,
    quantile_range::ROW,
    quantile_without_le::ROW,
    rate_of_sum::ROW,
    rate_on_gauge::ROW,
    raw_counter::ROW,
    recorded_already::ROW,
    regexp::ROW,
    units::ROW,
    used_over_free::ROW,
    vector_matching::ROW,
    clear_secret::ROW,
    default_receiver::ROW,
    inhibits_all::ROW,
    inhibits_nothing::ROW,
    repeat_interval::ROW,
    shadowed_route::ROW,
    unmatched_route::ROW,
    unused_interval::ROW,
    unused_receiver::ROW,
    useless_continue::ROW,
    duplicate::ROW,
    external_label::ROW,
    required_label::ROW,
    required_name::ROW,
    order::ROW,
    record_name::ROW,
    slow_record::ROW,
    unrecorded::ROW,
];

static READING: [Row; 7] = reading::ROWS;

/// All checks: those that look, and what is found while files are read.
pub fn all() -> impl Iterator<Item = &'static Check> {
    TABLE.iter().chain(&READING).map(|row| row.check)
}

/// The check of a name.
pub fn find(name: &str) -> Option<&'static Check> {
    all().find(|check| check.name == name)
}

/// The page of all checks, in Markdown.
pub fn document() -> String {
    let mut checks: Vec<&Check> = all().collect();
    checks.sort_by_key(|check| check.name);
    let table: Vec<String> = checks
        .iter()
        .map(|check| {
            format!(
                "| [`{0}`](#{1}) | {2} | {3} |\n",
                check.name,
                check.name.replace('/', ""),
                check.severity,
                check.what
            )
        })
        .collect();
    let pages: Vec<String> = checks.iter().map(|check| check.page()).collect();
    format!("| check | severity | what it reports |\n|---|---|---|\n{}\n{}", table.concat(), pages.join("\n"))
}
