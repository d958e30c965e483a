//! Watchbell: an alert evaluation engine.
//!
//! The map of the code, from the data up. A module never names one above it in this list; a test holds that.
//!
//! - [`clock`]: the only reader of the operating system's clock.
//! - [`instrument`]: counters, gauges and histograms with which every room counts its own, and how they are written.
//! - [`model`]: labels, matchers, samples, native histograms, durations, numbers.
//! - [`template`]: Go text/template with the functions of Prometheus and Alertmanager.
//! - [`plot`]: what was measured, drawn for messages: SVG and PNG.
//! - [`config`]: the configuration files, read strictly, with the place of every defect; secrets.
//! - [`fleet`]: a synthetic machine-learning fleet and an incident in it, for the demo.
//! - [`net`]: HTTP out: clients with TLS and authentication, which never show a secret.
//! - [`tsdb`]: the in-process time series database, and the traits by which queries read series.
//! - [`ingest`]: scraping, exposition formats, relabelling, remote write.
//! - [`promql`]: the query language: dialect, plan, operators, functions.
//! - [`datasource`]: one way to query: the local TSDB, or a remote server.
//! - [`rules`]: rule files and `PrometheusRule` objects.
//! - [`state`]: what must outlive the process: tables of small records, in sled or in memory.
//! - [`history`]: the log of decisions: what was decided about every alert, when and why.
//! - [`slo`]: objectives of Sloth's and OpenSLO's formats into burn-rate rules and their tests.
//! - [`alerting`]: evaluation of a group at a time, and the pending → firing → resolved machine, a pure function.
//! - [`routing`]: the route tree, aggregation groups, silences, inhibition, time intervals.
//! - [`notify`]: whether to tell, why, and what was told; delivery and its retries.
//! - [`engine`]: the sans-IO core: events in, effects out, and the loop that all its drivers share.
//! - [`explain`]: why an alert was told, or was not: the chain from its samples to its delivery.
//! - [`ruletest`]: unit tests of rules: promtool's files, promtool's verdicts.
//! - [`lint`]: what loads and yet may not do what was meant.
//! - [`backtest`]: rules and routing over history.
//! - [`server`]: HTTP: the APIs, `/metrics`, pages.
#![warn(clippy::all)]

pub mod alerting;
pub mod backtest;
pub mod cli;
pub mod clock;
pub mod config;
pub mod datasource;
pub mod engine;
pub mod explain;
pub mod fleet;
pub mod history;
pub mod ingest;
pub mod instrument;
pub mod lint;
pub mod model;
pub mod net;
pub mod notify;
pub mod plot;
pub mod promql;
pub mod routing;
pub mod rules;
pub mod ruletest;
pub mod server;
pub mod service;
pub mod slo;
pub mod state;
pub mod template;
pub mod tsdb;
