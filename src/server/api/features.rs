//! `features`: what this server can do, by Prometheus' names.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::ingest::discovery::KINDS;
use crate::promql::ast::{AggregateOp, BinaryOp};
use crate::promql::func;
use crate::server::app::App;

use super::envelope::{Notes, respond, success};

/// What is on or off, by name.
type Switches<'a> = Vec<(&'a str, bool)>;

/// `GET /api/v1/features`
pub async fn features(State(app): State<Arc<App>>) -> Response {
    let written = success(&Notes::none(), |j| {
        j.object(|j| {
            for (category, mut switches) in categories(&app) {
                switches.sort_unstable();
                j.key(category).object(|j| switches.iter().for_each(|(name, on)| j.key(name).bool(*on)));
            }
        });
    });
    respond(written)
}

fn categories(app: &App) -> [(&'static str, Switches<'static>); 9] {
    let language = app.queries.options().features;
    let service = &app.service;
    let on = |names: &[&'static str]| names.iter().map(|name| (*name, true)).collect::<Switches<'static>>();
    let with = |mut all: Switches<'static>, more: &[(&'static str, bool)]| {
        all.extend_from_slice(more);
        all
    };
    let api = ["exclude_alerts", "label_values_match", "query_stats", "query_warnings", "time_range_labels"];
    let promql = [
        "at_modifier",
        "bool",
        "by",
        "group_left",
        "group_right",
        "ignoring",
        "negative_offset",
        "offset",
        "on",
        "per_query_lookback_delta",
        "subqueries",
        "without",
    ];
    let functions = func::all().iter().map(|f| (f.name, !f.experimental || language.experimental_functions));
    [
        (
            "api",
            with(
                on(&api),
                &[
                    ("time_range_series", true),
                    ("admin", service.admin_api),
                    ("lifecycle", service.lifecycle),
                    ("otlp_write_receiver", service.otlp_receiver),
                    ("remote_write_receiver", service.remote_write_receiver),
                ],
            ),
        ),
        ("prometheus", vec![("agent_mode", false), ("auto_reload_config", service.auto_reload), ("server_mode", true)]),
        (
            "promql",
            with(
                on(&promql),
                &[
                    ("anchored", language.extended_range_selectors),
                    ("smoothed", language.extended_range_selectors),
                    ("delayed_name_removal", language.delayed_name_removal),
                    ("duration_expr", language.duration_expr),
                    ("per_step_stats", false),
                    ("type_and_unit_labels", language.type_and_unit_labels),
                ],
            ),
        ),
        ("promql_functions", functions.collect()),
        ("promql_operators", operators(language.experimental_functions)),
        ("rules", vec![("concurrent_rule_eval", true), ("keep_firing_for", true), ("query_offset", true)]),
        ("scrape", vec![("type_and_unit_labels", language.type_and_unit_labels)]),
        ("service_discovery_providers", on(KINDS)),
        ("tsdb", vec![("exemplar_storage", true), ("isolation", true), ("native_histograms", true)]),
    ]
}

fn operators(experimental: bool) -> Switches<'static> {
    let aggregations = AggregateOp::ALL.iter().map(|op| (op.as_str(), !op.is_experimental() || experimental));
    let binary = BinaryOp::ALL.iter().map(|op| (op.as_str(), true));
    let others = ["=~", "!~", "@"].into_iter().map(|name| (name, true));
    aggregations.chain(binary).chain(others).collect()
}
