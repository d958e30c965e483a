//! One replay over history.

use std::sync::Arc;

use crate::alerting::group::World;
use crate::alerting::schedule::Schedule;
use crate::alerting::timeline::{self, MOST_TICKS, Terms, TimelineWorld};
use crate::alerting::{GroupSpec, RuleSpec};
use crate::clock::VirtualClock;
use crate::engine::drive::Replay;
use crate::engine::{Options, Setup};
use crate::model::Labels;
use crate::promql::{CompileOptions, EvalEnv, Features, Helpers};
use crate::routing::RoutingConfig;
use crate::state::{MemoryStore, StateError};
use crate::template::prometheus::TemplateCache;
use crate::tsdb::Queryable;

use super::record::{Record, Recorder};
use super::unwritten::Unwritten;
use super::window::Window;
use super::write::{Sink, Writing};

/// What is played.
#[derive(Clone)]
pub struct Backtest {
    /// The rules, in the order of their files.
    pub groups: Vec<Arc<GroupSpec>>,
    /// The routing; without it nobody is told.
    pub routing: Option<Arc<RoutingConfig>>,
    /// When.
    pub window: Window,
    /// How often groups that do not say it are evaluated, milliseconds: also the default step of subqueries.
    pub interval: i64,
    /// Switches of the language that templates may use.
    pub features: Features,
}

/// How far before its window a rule set reads, the lookback included, milliseconds; `None` when it may read anything.
pub fn reach(groups: &[Arc<GroupSpec>]) -> Option<i64> {
    let of = |g: &GroupSpec, r: &RuleSpec| Some(timeline::reach(r)? + g.query_offset);
    let mut all = groups.iter().flat_map(|g| g.rules.iter().map(|r| of(g, r)));
    let furthest = all.try_fold(0, |furthest: i64, reach| Some(furthest.max(reach?)))?;
    Some(furthest + EvalEnv::default().lookback_ms)
}

/// Parts of a window after each of which progress is told.
const PARTS: i64 = 100;

/// Plays a backtest over `source`. `progress` hears from time to time until when it has come.
///
/// # Errors
/// State cannot be kept in memory.
pub fn run(
    source: Arc<dyn Queryable>,
    backtest: &Backtest,
    progress: &mut dyn FnMut(i64),
) -> Result<Record, StateError> {
    play(&world(source, backtest), backtest, progress, &mut || false)
}

/// The same; what recording rules give goes to `sink`. How many samples were written is told, too.
///
/// # Errors
/// State cannot be kept in memory, or not everything was written.
pub fn run_writing(
    source: Arc<dyn Queryable>,
    backtest: &Backtest,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(i64),
) -> Result<(Record, u64), String> {
    let world = Writing::new(world(source, backtest), &backtest.groups, sink);
    let record = play(&world, backtest, progress, &mut || world.failure().is_some()).map_err(|e| e.to_string())?;
    Ok((record, world.finish()?))
}

fn world(source: Arc<dyn Queryable>, backtest: &Backtest) -> TimelineWorld {
    let source = Unwritten::new(source, &backtest.groups, backtest.window.from);
    TimelineWorld::new(Box::new(source), terms(backtest))
}

/// Plays until the end of the window, or until `is_over` says so.
fn play(
    world: &dyn World,
    backtest: &Backtest,
    progress: &mut dyn FnMut(i64),
    is_over: &mut dyn FnMut() -> bool,
) -> Result<Record, StateError> {
    let Window { from, to } = backtest.window;
    let mut recorder = Recorder::new(&backtest.groups, backtest.window, backtest.routing.is_some());
    let setup = Setup { groups: backtest.groups.clone(), routing: backtest.routing.clone(), ..Setup::default() };
    let options = Options { schedule: Schedule::Aligned { start: from }, ..Options::default() };
    let store = Arc::new(MemoryStore::default());
    let mut replay = Replay::start(options, setup, VirtualClock::at(from), world, store, &mut recorder)?;
    let part = (to.saturating_sub(from) / PARTS).max(1);
    let mut until = from;
    while until < to && !is_over() {
        until = until.saturating_add(part).min(to);
        replay.play_until(until)?;
        progress(until);
    }
    if !is_over() {
        replay.play_until(to)?;
    }
    drop(replay);
    Ok(recorder.finish())
}

fn terms(backtest: &Backtest) -> Terms {
    Terms {
        env: EvalEnv {
            default_step_ms: backtest.interval,
            helpers: Some(Arc::new(Helpers::of_this_machine())),
            ..EvalEnv::default()
        },
        options: CompileOptions { features: backtest.features },
        external_labels: Labels::empty(),
        external_url: "".into(),
        renderer: Arc::new(TemplateCache::default()),
        until: backtest.window.to,
        ticks_ahead: MOST_TICKS,
        forgets: true,
    }
}
