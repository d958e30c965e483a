//! A service that does not run, as its configuration and its data directory tell.

use std::path::Path;
use std::sync::Arc;

use crate::cli::query::open_data;
use crate::clock::{Clock, SystemClock};
use crate::datasource::LocalQuerier;
use crate::engine::{Engine, Options, View};
use crate::explain::{Asked, Explanation, Sources, explain, explain_at, explain_page};
use crate::history::{Page, Query, query_dir};
use crate::model::Diagnostic;
use crate::promql::{CancelToken, EvalEnv, Features};
use crate::service::{HISTORY, Prepared, Source};
use crate::state::{DiskStore, Snapshot, StateStore as _};

/// What is asked of it.
pub(super) enum Question {
    /// How it was at the last evaluation, or at a time, milliseconds.
    Alert(Asked, Option<i64>),
    /// A notification, by its id.
    Page(u64),
}

/// Explains what is asked for, as it was when the service last evaluated its rules, or at a time before.
///
/// # Errors
/// The configuration or the data cannot be read, the service runs, or there is no such notification.
pub(super) fn explained(
    question: Question,
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
    let history = data.join(HISTORY);
    let ask = |query: &Query| {
        query_dir(&history, query).unwrap_or_else(|e| Page { damage: [e.to_string()].into(), ..Page::default() })
    };
    let past = history.is_dir().then_some(&ask as &dyn Fn(&Query) -> Page);
    let sources = Sources { view: &view, querier: &querier, own: &querier, env: &env, now, most, past };
    match question {
        Question::Alert(_, Some(at)) if at > SystemClock.now() => Err("--at: it is not past".to_owned()),
        Question::Alert(asked, None) => Ok(explain(&asked, &sources)),
        Question::Alert(asked, Some(at)) => Ok(explain_at(&asked, &sources, at)),
        Question::Page(id) => explain_page(id, &sources)
            .ok_or_else(|| format!("the history in {} knows no notification {id}", history.display())),
    }
}

/// An engine that goes on from what was stored, before anything happens to it.
fn seen(prepared: &Prepared, state: &Snapshot, now: i64) -> View {
    Engine::start(Options::default(), prepared.setup(""), state, now).view()
}

fn last_evaluation(view: &View) -> Option<i64> {
    let groups = view.rule_groups();
    groups.iter().flat_map(|group| &group.state.rules).filter_map(|rule| rule.restored_from).max()
}
