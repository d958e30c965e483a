//! What is explained of an alert agrees with what receivers heard: of one that was told the chain ends in its delivery, and
//! of one that was not it names what stopped it.

use watchbell::datasource::{Querier, QueryError};
use watchbell::engine::View;
use watchbell::explain::chain::{AlertChain, IntegrationChain, RouteChain};
use watchbell::explain::{Asked, Sources, Stage, explain};
use watchbell::model::Labels;
use watchbell::notify::IntegrationId;
use watchbell::promql::{EvalEnv, Evaluated, Plan};

/// What receivers heard of an alert last, if anything: whether it fires.
pub type Heard<'a> = &'a dyn Fn(&IntegrationId, &Labels) -> Option<bool>;

/// Nobody answers queries here: the chain from an alert on is what is held.
struct Nobody;

impl Querier for Nobody {
    fn instant(&self, _: &Plan, _: i64, _: &EvalEnv) -> Result<Evaluated, QueryError> {
        Err(QueryError::Transport("nobody answers".into()))
    }

    fn range(&self, _: &Plan, _: i64, _: i64, _: i64, _: &EvalEnv) -> Result<Evaluated, QueryError> {
        Err(QueryError::Transport("nobody answers".into()))
    }
}

/// Explains an alert. How many integrations were told of it that it fires, and how many were not.
///
/// # Errors
/// Where what is explained is not what was heard.
pub fn check(view: &View, alert: &Labels, now: i64, heard: Heard<'_>) -> Result<(u64, u64), String> {
    let asked = Asked::Fingerprint(alert.fingerprint());
    let sources = Sources { view, querier: &Nobody, env: &EvalEnv::default(), now, most: 5 };
    let (mut told, mut untold) = (0, 0);
    for chain in explain(&asked, &sources).alerts.iter().filter(|chain| chain.state == "firing") {
        if chain.summary.is_empty() || chain.routes.is_empty() {
            return Err(format!("nothing is said: {chain:#?}"));
        }
        for route in &chain.routes {
            for integration in &route.integrations {
                let id = id(integration)?;
                match (integration.stage, heard(&id, alert)) {
                    (Stage::Delivered, Some(true)) => told += 1,
                    // What an attempt under way tells may have been heard; nobody knows here yet.
                    (Stage::Delivered, _) if integration.owed.is_some() => told += 1,
                    (Stage::Delivered, other) => {
                        return Err(format!("{id:?} is said to be told, and heard {other:?}: {chain:#?}"));
                    }
                    (stage, _) if names_why(stage, chain, route, integration) => untold += 1,
                    (stage, _) => return Err(format!("{stage:?} is no reason why {id:?} is not told: {chain:#?}")),
                }
            }
        }
    }
    Ok((told, untold))
}

/// Whether what is said of an alert bears out the stage that stops it.
fn names_why(stage: Stage, chain: &AlertChain, route: &RouteChain, integration: &IntegrationChain) -> bool {
    match stage {
        Stage::Silenced => !chain.silenced_by.is_empty(),
        Stage::Inhibited => !chain.inhibited_by.is_empty() && chain.inhibited_by.iter().all(|by| by.rule.is_some()),
        Stage::Acknowledged => chain.silenced_by.iter().any(|s| s.acknowledgement),
        Stage::Muted => !route.muted_by.is_empty(),
        Stage::GroupWait => route.group.as_ref().is_some_and(|g| !g.has_flushed) && integration.next.is_some(),
        Stage::GroupInterval => route.group.as_ref().is_some_and(|g| g.has_flushed) && integration.next.is_some(),
        Stage::Retrying => integration.owed.is_some() && integration.next.is_some(),
        Stage::Refused | Stage::Queued | Stage::Sending => integration.owed.is_some(),
        Stage::NotNeeded => integration.stands_in,
        Stage::Inactive
        | Stage::Pending
        | Stage::NoIntegration
        | Stage::NeverTold
        | Stage::ResolveUnwanted
        | Stage::Delivered => false,
    }
}

fn id(integration: &IntegrationChain) -> Result<IntegrationId, String> {
    let parts = integration.integration.strip_suffix(']').and_then(|s| s.split_once('['));
    let (kind, index) = parts.ok_or_else(|| format!("{:?} is no integration", integration.integration))?;
    let index = index.parse().map_err(|e| format!("{index}: {e}"))?;
    Ok(IntegrationId { receiver: integration.receiver.clone(), kind: kind.into(), index })
}
