//! Alerts for external Alertmanagers, sent as Prometheus' rule manager sends them: again and again while they fire, with
//! an end a few evaluations ahead, and for 15 minutes after they resolved.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::alerting::{Alert, AlertState, GroupSpec, GroupState};
use crate::model::Labels;
pub use crate::notify::alertmanagers::OutgoingAlert;

use super::setup::Outgoing;

/// When which alert was last sent. Not stored: after a restart all are sent again, which changes nothing.
#[derive(Debug, Default)]
pub(super) struct Sent(FxHashMap<(u64, usize), FxHashMap<Labels, i64>>);

/// What a sending needs to know besides the alerts.
pub(super) struct Terms<'a> {
    pub resend_delay: i64,
    pub outgoing: &'a Outgoing,
    pub external_url: &'a str,
}

impl Sent {
    /// The alerts of a group to send after its evaluation at `at`.
    pub(super) fn due(
        &mut self,
        slot: u64,
        spec: &Arc<GroupSpec>,
        state: &GroupState,
        at: i64,
        terms: &Terms<'_>,
    ) -> Vec<OutgoingAlert> {
        let mut due = Vec::new();
        for (index, (rule, state)) in spec.rules.iter().zip(&state.rules).enumerate() {
            if state.alerts.is_empty() {
                self.0.remove(&(slot, index));
                continue;
            }
            let sent = self.0.entry((slot, index)).or_default();
            sent.retain(|labels, _| state.alerts.contains_key(labels));
            let believed_until = at + 4 * spec.interval.max(terms.resend_delay);
            let mut alerts: Vec<&Alert> = state
                .alerts
                .values()
                .filter(|a| needs_sending(a, sent.get(&a.labels), at, terms.resend_delay))
                .collect();
            alerts.sort_by(|a, b| a.labels.cmp(&b.labels));
            for alert in alerts {
                sent.insert(alert.labels.clone(), at);
                due.extend(terms.outgoing.apply(&alert.labels).map(|labels| OutgoingAlert {
                    labels,
                    annotations: alert.annotations.clone(),
                    starts_at: alert.fired_at.unwrap_or(alert.active_at),
                    ends_at: alert.resolved_at.unwrap_or(believed_until),
                    generator_url: generator_url(terms.external_url, &rule.expr),
                }));
            }
        }
        due
    }

    /// Forgets a group.
    pub(super) fn forget(&mut self, slot: u64) {
        self.0.retain(|(s, _), _| *s != slot);
    }
}

fn needs_sending(alert: &Alert, last: Option<&i64>, at: i64, resend_delay: i64) -> bool {
    let Some(last) = last else { return alert.state != AlertState::Pending };
    alert.state != AlertState::Pending && (alert.resolved_at.is_some_and(|t| t > *last) || last + resend_delay < at)
}

/// The link to an expression, as Prometheus forms it: `/graph?g0.expr=up+%3D%3D+0&g0.tab=1`.
pub(super) fn generator_url(external_url: &str, expr: &str) -> String {
    let escaped: String = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect();
    // Go's query escaping leaves `~` alone and escapes `*`; this serializer does the opposite.
    let escaped = escaped.replace('*', "%2A").replace("%7E", "~");
    format!("{external_url}/graph?g0.expr={escaped}&g0.tab=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::{AlertTable, GroupKey, RuleKind, RuleSpec};
    use crate::rules::PartialResponse;

    #[test]
    fn links_are_escaped_as_go_does() {
        let link = generator_url("http://h:9090", "up{job=~\"a b*\"} == 0 # ~زمن");
        let want = "http://h:9090/graph?g0.expr=up%7Bjob%3D~%22a+b%2A%22%7D+%3D%3D+0+%23+~%D8%B2%D9%85%D9%86&g0.tab=1";
        assert_eq!(link, want);
    }

    #[test]
    fn alerts_are_sent_again_after_the_resend_delay_and_when_they_resolve() {
        let kind = RuleKind::Alerting { hold: 0, keep_firing: 0, annotations: vec![] };
        let plan = crate::promql::compile("up", &Default::default()).unwrap();
        let rule = RuleSpec { name: "A".into(), expr: "up".into(), plan, labels: vec![], kind, terms: None };
        let key = GroupKey { file: "f".into(), name: "g".into() };
        let spec = GroupSpec {
            key,
            interval: 15_000,
            query_offset: 0,
            eval_offset: None,
            limit: 0,
            partial_response: PartialResponse::Abort,
            rules: vec![Arc::new(rule)],
        };
        let spec = Arc::new(spec);
        let mut alert = Alert::begin(Labels::from_pairs([("alertname", "A")]), Labels::empty(), 1.0, 0);
        let outgoing = Outgoing { external_labels: Labels::from_pairs([("region", "riyadh")]), relabel: None };
        let terms = Terms { resend_delay: 60_000, outgoing: &outgoing, external_url: "" };
        let mut sent = Sent::default();
        let mut due = |alert: &Alert, at: i64| {
            let mut state = GroupState::new(1);
            state.rules[0].alerts = Arc::new(AlertTable::from_iter([(alert.labels.clone(), alert.clone())]));
            sent.due(1, &spec, &state, at, &terms).into_iter().map(|a| a.ends_at).collect::<Vec<_>>()
        };
        assert!(due(&alert, 0).is_empty(), "pending ones are not sent");
        alert.state = AlertState::Firing;
        alert.fired_at = Some(15_000);
        assert_eq!(due(&alert, 15_000), [255_000]);
        assert!(due(&alert, 75_000).is_empty());
        assert_eq!(due(&alert, 75_001), [315_001]);
        alert.state = AlertState::Inactive;
        alert.resolved_at = Some(90_000);
        assert_eq!(due(&alert, 90_000), [90_000]);
        assert_eq!(due(&alert, 151_000), [90_000]);
    }
}
