//! A test message: a marked alert that fires and resolves, told to every integration of a receiver on the way that pages go.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{IntegrationId, Notification, NotifiedAlert, Outcome, Reason};
use crate::model::Labels;
use crate::model::time::rfc3339_millis;
use crate::routing::IntegrationSpec;

/// The name of the alert.
pub const ALERT_NAME: &str = "WatchbellTest";

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who was to hear of it.
    pub integration: IntegrationId,
    /// Why it did not arrive; nothing when it did.
    pub error: Option<String>,
}

/// Tells every integration of a receiver, one after another; those that want to hear of ends hear of its end, so that
/// nothing stays open. Each is attempted once.
pub async fn send(
    receiver: &Arc<str>,
    integrations: &[IntegrationSpec],
    now: i64,
    deliver: impl Fn(Notification) -> BoxFuture<'static, Outcome>,
) -> Vec<Told> {
    let mut told = Vec::with_capacity(integrations.len());
    for spec in integrations {
        let integration = IntegrationId { receiver: receiver.clone(), kind: spec.kind.clone(), index: spec.index };
        let mut error = None;
        let mut place = None;
        for resolved in [false, true].into_iter().take(if spec.send_resolved { 2 } else { 1 }) {
            let message = Notification { place: place.take(), ..message(integration.clone(), resolved, now) };
            match deliver(message).await {
                Outcome::Delivered => {}
                Outcome::DeliveredAt(at) => place = Some(at),
                Outcome::Retry { reason, .. } | Outcome::GiveUp { reason } => {
                    error = Some(reason);
                    break;
                }
            }
        }
        told.push(Told { integration, error });
    }
    told
}

fn message(integration: IntegrationId, resolved: bool, now: i64) -> Notification {
    // Every test is an incident of its own.
    let group_labels = Labels::from_pairs([("alertname", ALERT_NAME.to_owned()), ("test", rfc3339_millis(now))]);
    let labels = group_labels.to_builder();
    let summary = "This is a test of Watchbell's way to you. Nothing is wrong.";
    let mut group_key = String::from("{}:{");
    for (i, (name, value)) in group_labels.iter().enumerate() {
        group_key.push_str(&format!("{}{name}={value:?}", if i > 0 { ", " } else { "" }));
    }
    group_key.push('}');
    Notification {
        id: 0,
        integration,
        group_key: group_key.into(),
        alerts: vec![NotifiedAlert {
            labels: labels.build(),
            annotations: Labels::from_pairs([("summary", summary)]),
            starts_at: now,
            ends_at: resolved.then_some(now),
            generator_url: String::new(),
            value: None,
            resolved_value: None,
        }],
        group_labels,
        reason: if resolved { Reason::AllAlertsResolved } else { Reason::FirstNotification },
        decided_at: now,
        instead_of: None,
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn each_hears_of_the_beginning_and_who_wants_it_of_the_end() {
        let spec = |kind: &str, send_resolved| IntegrationSpec { kind: kind.into(), index: 0, send_resolved };
        let heard = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let deliver = |n: Notification| {
            heard.lock().push(format!("{} {} {:?}", n.integration.kind, n.status(), n.place));
            let outcome = match &*n.integration.kind {
                "slack" => Outcome::DeliveredAt("there".into()),
                "jira" => Outcome::GiveUp { reason: "no".into() },
                _ => Outcome::Delivered,
            };
            std::future::ready(outcome).boxed()
        };
        let specs = [spec("slack", true), spec("email", false), spec("jira", true)];
        let told = send(&"r".into(), &specs, 0, deliver).await;
        let errors: Vec<Option<&str>> = told.iter().map(|t| t.error.as_deref()).collect();
        assert_eq!(errors, [None, None, Some("no")]);
        let want = ["slack firing None", "slack resolved Some(\"there\")", "email firing None", "jira firing None"];
        assert_eq!(*heard.lock(), want);
    }
}
