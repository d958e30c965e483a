//! A service that does not run, as its configuration and its data directory tell.

use std::path::Path;
use std::sync::Arc;

use crate::cli::query::open_data;
use crate::clock::{Clock, SystemClock};
use crate::datasource::LocalQuerier;
use crate::engine::{Engine, Options, View};
use crate::explain::{Asked, Explanation, Sources, explain};
use crate::model::Diagnostic;
use crate::promql::{CancelToken, EvalEnv, Features};
use crate::service::{Prepared, Source};
use crate::state::{DiskStore, Snapshot, StateStore as _};

/// Explains what is asked for, as it was when the service last evaluated its rules.
///
/// # Errors
/// The configuration or the data cannot be read, or the service runs.
pub(super) fn explained(
    asked: &Asked,
    (config, data): (&Path, &Path),
    (most, timeout): (usize, std::time::Duration),
) -> Result<Explanation, String> {
    let lines = |all: Vec<Diagnostic>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let prepared = Prepared::read(&Source::File(config.to_owned()), Features::default(), None).map_err(lines)?;
    let storage = Arc::new(open_data(data)?);
    let state = DiskStore::open(data).and_then(|store| store.load()).map_err(|e| e.to_string())?;
    let begin = |now: i64| seen(&prepared, &state, now);
    let now = last_evaluation(&begin(SystemClock.now())).unwrap_or_else(|| SystemClock.now());
    let env = EvalEnv { cancel: CancelToken::with_timeout(timeout), ..EvalEnv::default() };
    let (view, querier) = (begin(now), LocalQuerier::new(storage));
    Ok(explain(asked, &Sources { view: &view, querier: &querier, env: &env, now, most }))
}

/// An engine that goes on from what was stored, before anything happens to it.
fn seen(prepared: &Prepared, state: &Snapshot, now: i64) -> View {
    Engine::start(Options::default(), prepared.setup(""), state, now).view()
}

fn last_evaluation(view: &View) -> Option<i64> {
    let groups = view.rule_groups();
    groups.iter().flat_map(|group| &group.state.rules).filter_map(|rule| rule.restored_from).max()
}
