//! What happens in the course of a test: its rules' evaluations, silences that are made, restarts.

use std::sync::Arc;

use crate::alerting::group::World;
use crate::alerting::schedule::Schedule;
use crate::clock::VirtualClock;
use crate::config::yaml::Duration;
use crate::engine::drive::Replay;
use crate::engine::{self, Event, Setup, SilenceChange};
use crate::routing::NewSilence;
use crate::state::{MemoryStore, StateError};

use super::case::TestGroup;
use super::witness::Witness;

/// Takes what `setup` says through the whole of a test, up to `last`.
///
/// # Errors
/// The state cannot be stored.
pub fn play(
    test: &TestGroup,
    interval: i64,
    setup: &Setup,
    world: &dyn World,
    clock: &VirtualClock,
    last: i64,
    witness: &mut Witness,
) -> Result<(), StateError> {
    let schedule = Schedule::Aligned { start: test.start };
    let usual = engine::Options::default();
    // Tests may last for centuries.
    let housekeeping = usual.housekeeping.max(interval);
    let records = witness.coverage.is_some();
    let options = engine::Options { schedule, housekeeping, records, ..usual };
    let store = Arc::new(MemoryStore::default());
    let mut silences = silences(test).into_iter().peekable();
    // From one start of the process to its end.
    let ends = test.restarts.iter().map(|r| (r.at.map_or(0, Duration::millis), r.end()));
    let ends = ends.map(|(end, start)| (test.start.saturating_add(end), test.start.saturating_add(start)));
    for (end, next_start) in ends.chain([(last, last)]) {
        let end = end.min(last);
        let mut replay = Replay::start(options, setup.clone(), clock.clone(), world, store.clone(), witness)?;
        while let Some(silence) = silences.next_if(|s| s.starts_at <= end) {
            // It is made before it begins, so that it is in force at its first moment.
            replay.play_until((silence.starts_at - 1).max(test.start))?;
            replay.happen(Event::SilenceChanged(0, SilenceChange::Set(silence)))?;
        }
        replay.play_until(end)?;
        if next_start > last {
            break;
        }
        // What was due at the end was done before it.
        clock.advance_to(next_start.max(end + 1));
    }
    Ok(())
}

/// The silences of a test, in the order in which they begin.
fn silences(test: &TestGroup) -> Vec<NewSilence> {
    let mut all: Vec<NewSilence> = test.silences.iter().map(|s| s.silence(test.start)).collect();
    all.sort_by_key(|s| s.starts_at);
    all
}
