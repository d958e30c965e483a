//! The HTTP server: Prometheus' API and Alertmanager's, our own metrics, and a few pages for people.

pub mod acknowledge;
pub mod admin;
pub mod alertmanager;
pub mod api;
pub mod api_metrics;
pub mod app;
pub mod asked;
pub mod connections;
pub mod drill;
pub mod error;
mod federate;
pub mod history;
pub mod history_readers;
pub mod http;
pub mod json;
pub mod limits;
pub mod notices;
pub mod origins;
pub mod pages;
mod prometheus_metrics;
pub mod queries;
pub mod receivers;
mod request_line;
pub mod requests;
pub mod telemetry;
pub mod time;
pub mod web;

pub use api_metrics::{ApiMetrics, MetricLabels};
pub use app::{AlertmanagerLimits, App, ConfigView, Control, ControlRequest, ReceiverView, Service, Tester};
pub use connections::ConnectionLimits;
pub use error::ApiError;
pub use http::serve;
pub use limits::ReadLimits;
pub use origins::Origins;
pub use queries::{Queries, QueryOptions};
pub use web::WebAccess;
