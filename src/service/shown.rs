//! What a service says of itself and of its configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::config::redact;
use crate::model::Labels;
use crate::notify::IntegrationId;
use crate::server::origins::{Origins, origin_of};
use crate::server::{self, ConfigView};

use super::options::{ServiceOptions, Source};
use super::prepare::Prepared;

/// What the API and pages say of a service.
pub(super) fn describe(options: &ServiceOptions, external_url: &str, port: Option<u16>, now: i64) -> server::Service {
    server::Service {
        started_at: now,
        flags: options
            .flags
            .iter()
            .map(|(name, value)| (name.clone(), redact::redact_text(value).into_owned()))
            .collect(),
        route_prefix: route_prefix(options, external_url),
        alertmanager_alone: matches!(options.source, Source::Alertmanager(_)),
        cluster: cluster(options, now),
        limits: options.alertmanager,
        metric_labels: options.metric_labels,
        external_url: external_url.to_owned(),
        port,
        origins: Origins {
            allowed: options.cors_origin.clone(),
            // Where routing is all there is, pages may do what Alertmanager lets them.
            open: matches!(options.source, Source::Alertmanager(_)),
            own: origin_of(external_url),
        },
        auto_reload: options.auto_reload.is_some(),
        admin_api: options.admin_api,
        live_subscribers: options.live_subscribers,
        write_protocols: options.write_protocols.clone(),
        reads: options.reads,
        lifecycle: options.lifecycle,
        remote_write_receiver: options.remote_write_receiver,
        otlp_receiver: options.otlp_receiver,
    }
}

/// What stands before the paths of what is served.
fn route_prefix(options: &ServiceOptions, external_url: &str) -> String {
    let of_url = || url::Url::parse(external_url).map_or_else(|_| String::new(), |url| url.path().to_owned());
    let prefix = options.route_prefix.clone().unwrap_or_else(of_url);
    match prefix.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

/// The cluster's one member, named anew at each start.
fn cluster(options: &ServiceOptions, now: i64) -> Option<(String, String)> {
    use std::hash::{BuildHasher as _, RandomState};
    if options.cluster_address.is_empty() {
        return None;
    }
    let chance = RandomState::new().hash_one(now);
    let address = options.cluster_address.replacen("0.0.0.0", "127.0.0.1", 1);
    Some((format!("{:010X}{chance:016X}", now.max(0)), address))
}

/// What the API and pages say of its configuration.
pub(super) fn view(prepared: &Prepared, alertmanagers: Arc<ArcSwap<Vec<String>>>, now: i64) -> ConfigView {
    let routing = prepared.alertmanager.as_ref();
    ConfigView {
        yaml: prepared.masked.clone(),
        alertmanager_yaml: routing.map(|(_, text)| text.clone()).unwrap_or_default(),
        receivers: routing.map(|(c, _)| c.receivers.iter().map(receiver_view).collect()).unwrap_or_default(),
        alertmanagers,
        external_labels: prepared.external_labels(),
        templates: prepared.templates.clone(),
        tests: prepared.tests.clone(),
        loaded_at: now,
        reload_succeeded: true,
    }
}

fn receiver_view(receiver: &crate::config::alertmanager::Receiver) -> server::ReceiverView {
    let mut labels = receiver.labels.clone();
    labels.entry("name".into()).or_insert_with(|| receiver.name.clone());
    let integration = |(kind, index, _): (&str, usize, bool)| IntegrationId {
        receiver: receiver.name.as_str().into(),
        kind: kind.into(),
        index,
    };
    let integrations = receiver.integrations().into_iter().map(integration).collect();
    server::ReceiverView { name: receiver.name.clone(), labels: Labels::from_pairs(labels), integrations }
}
