//! What Mimir's and vmalert's groups say beside what Prometheus' say.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::ParamValues;
use crate::config::yaml::{Duration, MapReader, Node};
use crate::model::Diagnostic;
use crate::promql::RequestTerms;

/// Mimir's header of tenants.
const TENANTS_HEADER: &str = "X-Scope-OrgID";

/// What was read of a group.
#[derive(Debug, Default)]
pub struct Dialect {
    /// What its queries say to a remote server.
    pub terms: Option<Arc<RequestTerms>>,
    /// At which offset within its interval it is evaluated, milliseconds.
    pub eval_offset: Option<i64>,
    /// `eval_delay`: how far in the past its rules look, as Prometheus' `query_offset`, milliseconds.
    pub eval_delay: Option<i64>,
    /// Keys that have no effect here.
    pub notes: Vec<Diagnostic>,
}

/// Reads the keys of a group.
pub fn group(m: &MapReader, interval: Option<i64>) -> Dialect {
    let mut terms = RequestTerms::default();
    let params = m.get::<BTreeMap<String, ParamValues>>("params").unwrap_or_default();
    terms.params = params.into_iter().flat_map(|(n, v)| v.0.into_iter().map(move |v| (n.clone(), v))).collect();
    for line in m.node_at("headers").and_then(Node::items).unwrap_or_default() {
        match line.text().and_then(|text| text.split_once(':')) {
            Some((name, value)) => terms.headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None => m.decoder().error(line.position, format!("expected \"name: value\", found {}", line.describe())),
        }
    }
    let tenants = m.get::<Vec<String>>("source_tenants").unwrap_or_default();
    if !tenants.is_empty() {
        terms.headers.push((TENANTS_HEADER.to_owned(), tenants.join("|")));
    }
    terms.tenant = m.get::<String>("tenant").filter(|t| !t.is_empty());
    let eval_offset = m.get::<Duration>("eval_offset").map(Duration::millis);
    if let (Some(offset), Some(interval)) = (eval_offset, interval)
        && offset >= interval
    {
        m.error("eval_offset", "eval_offset should be smaller than interval");
    }
    let eval_delay = m.get::<Duration>("eval_delay").map(Duration::millis);
    if let Some(kind) = m.get::<String>("type").filter(|kind| kind != "prometheus") {
        m.error("type", format!("expected type prometheus, found {kind:?}: rules are PromQL"));
    }
    let mut notes = Vec::new();
    note(m, "notifier_headers", "alerts go where the routing configuration says", &mut notes);
    note(m, "eval_alignment", "groups are evaluated at ticks that they share", &mut notes);
    note(m, "debug", "queries are not logged by group", &mut notes);
    note(m, "concurrency", "the rules of a group are evaluated one after the other", &mut notes);
    let terms = (terms != RequestTerms::default()).then(|| Arc::new(terms));
    Dialect { terms, eval_offset, eval_delay, notes }
}

/// Reads the keys of a rule.
pub fn rule(m: &MapReader, notes: &mut Vec<Diagnostic>) {
    note(m, "debug", "queries are not logged by rule", notes);
    note(m, "update_entries_limit", "a rule's last evaluation is kept, not those before it", notes);
}

/// Notes a key that has no effect.
fn note(m: &MapReader, key: &'static str, why: &str, notes: &mut Vec<Diagnostic>) {
    if m.node_at(key).is_some() {
        notes.push(Diagnostic::new(m.decoder().file(), m.at(key), format!("{key} has no effect: {why}")));
    }
}
