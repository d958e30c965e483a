//! Behaviour tests: one file a behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alert_life;
mod alertmanager_api;
mod alertmanager_config;
mod api_peers;
mod architecture;
mod check_config;
mod configuration;
mod demo;
mod deploy;
mod docs;
mod fault_simulator;
mod fmt;
mod kill_restart;
mod live_engine;
mod mission_alerts;
mod packs;
mod promql_conformance;
mod promql_differential;
mod promql_mutants;
mod promql_robustness;
mod promql_splices;
mod query;
mod receivers_email;
mod receivers_http;
mod reload;
mod remote_datasource;
mod remote_write_send;
mod routing_peers;
mod rule_files;
mod rule_unit_tests;
mod scrape_http;
mod scrape_real;
mod shared_ticks;
mod stage;
mod support;
