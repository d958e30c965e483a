//! Commands that ask a running service, or an Alertmanager, under amtool's flags: one file a command.

pub mod ack;
pub mod alert_add;
pub mod alert_query;
pub(super) mod api;
pub mod config_show;
pub mod drill;
pub mod explain;
pub(super) mod flags;
pub(super) mod matchers;
pub mod receiver_test;
pub mod route_show;
pub mod route_test;
mod routes;
pub mod silence_add;
pub mod silence_expire;
pub mod silence_import;
pub mod silence_query;
pub mod silence_update;
mod silences;
mod stored;
mod table;
pub mod template_render;
pub(super) mod times;
pub mod top;
