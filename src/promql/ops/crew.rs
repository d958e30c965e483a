//! Leaves of large queries on several threads: each makes the rows of some series, and they are handed over in order.
//!
//! What is above a leaf sees the same rows, notes and errors in the same order as without helpers, so results stay the
//! same bit by bit. The thread that evaluates the query begins alone; when it sees that much is left it gets helpers, and
//! makes rows too while the next ones are not there yet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::annotations::{Note, Span};
use super::super::error::EvalError;
use super::super::limits::Helper;
use super::super::steps::StepVector;
use super::eval::Eval;
use crate::clock::Stopwatch;
use crate::model::{Labels, Value};
use crate::tsdb::{Selection, Series};

/// Makes the row of one series at a time.
pub(super) trait Leaf {
    /// Fills `row` from a series and tells whether the name is dropped; nothing when there is no row.
    fn row(&mut self, series: &dyn Series, row: &mut StepVector) -> Result<Option<bool>, EvalError>;
}

/// What a leaf is to do: every thread makes its own from it.
pub(super) trait Task: Sync {
    /// The leaf of one thread.
    type Leaf<'e>: Leaf
    where
        Self: 'e;

    /// A leaf that evaluates within `eval`.
    fn leaf<'e>(&'e self, eval: &'e Eval<'e>) -> Self::Leaf<'e>;
}

/// So long a thread works alone before it knows what a series costs.
const ALONE: Duration = Duration::from_micros(150);
/// For each helper so much work has to be left: starting one, and what it hands over, has a price.
const WORTH_HELP: Duration = Duration::from_micros(400);
/// Work that is handed over at once.
const CHUNK: Duration = Duration::from_micros(100);
/// Series that are handed over at once, at most.
const CHUNK_SERIES: usize = 128;
/// Helpers of one leaf, at most.
const MAX_HELPERS: usize = 7;
/// Chunks a thread may be ahead of what is handed over.
const AHEAD: usize = 2;

/// Takes rows one by one: the number of its series, labels, whether the metric name is dropped, and the values.
pub(super) type RowSink<'s> = &'s mut dyn FnMut(usize, &Labels, bool, &mut StepVector) -> Result<(), EvalError>;

/// Streams the rows, of `steps` steps, that a leaf makes of all series.
pub(super) fn rows<T: Task>(
    eval: &Eval<'_>,
    series: &Selection,
    steps: usize,
    task: &T,
    sink: RowSink<'_>,
) -> Result<(), EvalError> {
    // What operators cost is measured on one thread.
    let lent = eval.env.helpers.as_ref().filter(|_| eval.profiler.is_none());
    let watch = lent.map(|_| Stopwatch::start());
    let mut leaf = task.leaf(eval);
    let mut row = StepVector::empty(steps);
    for (done, s) in series.iter().enumerate() {
        if done.is_power_of_two()
            && let (Some(lent), Some(watch)) = (lent, &watch)
            && let Some(share) = Share::of(watch.elapsed(), done, series.len() - done)
        {
            let helpers: Vec<Helper<'_>> = (0..share.helpers).map_while(|_| lent.take()).collect();
            if !helpers.is_empty() {
                return together(eval, &Board::new((series, done), steps, share.chunk, helpers.len()), task, sink);
            }
        }
        if let Some(dropped) = leaf.row(&**s, &mut row)? {
            sink(done, s.labels(), dropped, &mut row)?;
        }
    }
    Ok(())
}

/// How work is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    helpers: usize,
    /// Series that are handed over at once.
    chunk: usize,
}

impl Share {
    /// After `done` series have taken so long, for those that are left; nothing when help is not worth having.
    fn of(taken: Duration, done: usize, left: usize) -> Option<Share> {
        let each = taken.as_nanos() / done.max(1) as u128;
        let ahead = each.saturating_mul(left as u128);
        // The last series is this thread's.
        if taken < ALONE || ahead < WORTH_HELP.as_nanos() || left < 2 {
            return None;
        }
        let most = (left - 1).min(MAX_HELPERS);
        let helpers = usize::try_from(ahead / WORTH_HELP.as_nanos()).unwrap_or(most).min(most);
        // Towards the end nobody is to wait long for the last chunk.
        let even = left / (4 * (helpers + 1));
        let chunk = usize::try_from(CHUNK.as_nanos() / each.max(1)).unwrap_or(CHUNK_SERIES);
        Some(Share { helpers, chunk: chunk.min(even).clamp(1, CHUNK_SERIES) })
    }
}

/// Makes the rows of a board's series on several threads.
fn together<T: Task>(eval: &Eval<'_>, board: &Board<'_>, task: &T, sink: RowSink<'_>) -> Result<(), EvalError> {
    let (plan, storage, env, query, instant) = (eval.plan, eval.storage, eval.env, eval.query, eval.instant);
    let eval_of_its_own = || Eval::new(plan, storage, env, query, instant);
    std::thread::scope(|scope| {
        let _end = End(board);
        for _ in 0..board.helpers {
            let thread = std::thread::Builder::new().name("query-helper".into());
            // Where there is no thread to be had, the others make all rows.
            let _ = thread.spawn_scoped(scope, || {
                let _end = EndOnPanic(board);
                let eval = eval_of_its_own();
                board.help(&eval, &mut task.leaf(&eval));
            });
        }
        let aside = eval_of_its_own();
        hand_over(eval, board, &aside, &mut task.leaf(&aside), sink)
    })
}

/// Hands all chunks over in order, and makes some while they are not there.
fn hand_over(
    eval: &Eval<'_>,
    board: &Board<'_>,
    aside: &Eval<'_>,
    leaf: &mut impl Leaf,
    sink: RowSink<'_>,
) -> Result<(), EvalError> {
    for wanted in 0..board.chunks() {
        let mut chunk = loop {
            match board.turn(wanted) {
                Turn::HandOver(chunk) => break chunk,
                Turn::Make(n, mut chunk) => {
                    chunk.fill(aside, leaf, board.part(n), board.steps);
                    board.put(n, chunk);
                }
                // Its panic goes on here when the threads are joined.
                Turn::Over => return Err(EvalError::Canceled),
            }
        };
        chunk.hand_over(eval, board.part(wanted), board.steps, sink)?;
        board.give_back(chunk);
    }
    Ok(())
}

/// Rows of some neighbouring series.
#[derive(Default)]
struct Chunk {
    made: Vec<Made>,
    /// The rows themselves, as many as `made` and maybe more: those are kept for their memory. Of one step, there is but
    /// one, and what it was is in `made`: a thread reads few bytes quickly that another has written.
    rows: Vec<StepVector>,
    /// What came up, before which of the rows.
    notes: Vec<(usize, Note, Span)>,
    failed: Option<EvalError>,
    /// Samples read, and the most held at once.
    report: (u64, usize),
}

/// A row.
struct Made {
    /// The number of its series in the selection.
    series: usize,
    /// Whether the name is dropped.
    dropped: bool,
    /// The value of a row of one step.
    value: Option<Value>,
}

impl Chunk {
    /// The place of a row.
    fn row(&mut self, n: usize, steps: usize) -> Option<&mut StepVector> {
        let place = if steps == 1 { 0 } else { n };
        if self.rows.len() <= place {
            self.rows.push(StepVector::empty(steps));
        }
        self.rows.get_mut(place)
    }

    fn fill(&mut self, eval: &Eval<'_>, leaf: &mut impl Leaf, part: Part<'_>, steps: usize) {
        self.made.clear();
        for (series, s) in part.1.filter_map(|n| Some((n, part.0.get(n)?))) {
            let n = self.made.len();
            let Some(row) = self.row(n, steps) else { break };
            let known = eval.notes.borrow().len();
            match leaf.row(&**s, row) {
                Ok(Some(dropped)) => {
                    let value = if steps == 1 { row.value(0) } else { None };
                    self.made.push(Made { series, dropped, value });
                }
                Ok(None) => {}
                Err(e) => {
                    self.failed = Some(e);
                    break;
                }
            }
            let said = eval.notes.borrow();
            self.notes.extend(said.iter().skip(known).map(|(note, span)| (n, note.clone(), *span)));
        }
        self.report = eval.budget.report();
    }

    fn hand_over(&mut self, eval: &Eval<'_>, part: Part<'_>, steps: usize, sink: RowSink<'_>) -> Result<(), EvalError> {
        eval.budget.take_report(self.report)?;
        let mut notes = std::mem::take(&mut self.notes).into_iter().peekable();
        for n in 0..self.made.len() {
            while let Some((_, note, span)) = notes.next_if(|(before, ..)| *before <= n) {
                eval.note(note, span);
            }
            let Some(made) = self.made.get_mut(n) else { break };
            let (series, dropped, value) = (made.series, made.dropped, made.value.take());
            let (Some(row), Some(s)) = (self.row(n, steps), part.0.get(series)) else { break };
            if steps == 1 {
                row.reset();
                value.into_iter().for_each(|v| row.set_value(0, v));
            }
            sink(series, s.labels(), dropped, row)?;
        }
        notes.for_each(|(_, note, span)| eval.note(note, span));
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// Some neighbouring series of a selection.
type Part<'a> = (&'a Selection, Range<usize>);

/// What is to be made, is being made and was made.
struct Board<'a> {
    series: &'a Selection,
    /// The first series.
    first: usize,
    steps: usize,
    /// Series of a chunk.
    chunk: usize,
    helpers: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The first chunk nobody has begun.
    next: usize,
    /// The chunk that is handed over next.
    wanted: usize,
    made: BTreeMap<usize, Chunk>,
    /// Chunks that were handed over: their memory is used again.
    spare: Vec<Chunk>,
    over: bool,
}

/// What a thread does next.
enum Turn {
    HandOver(Chunk),
    Make(usize, Chunk),
    Over,
}

impl<'a> Board<'a> {
    fn new((series, first): (&'a Selection, usize), steps: usize, chunk: usize, helpers: usize) -> Self {
        Board { series, first, steps, chunk, helpers, state: Mutex::default(), changed: Condvar::new() }
    }

    /// How far beyond the chunk that is handed over next chunks are made.
    fn ahead(&self) -> usize {
        AHEAD * (self.helpers + 1)
    }

    fn chunks(&self) -> usize {
        (self.series.len() - self.first).div_ceil(self.chunk)
    }

    /// The series of chunk `n`.
    fn part(&self, n: usize) -> Part<'a> {
        let from = self.first + n * self.chunk;
        (self.series, from..(from + self.chunk).min(self.series.len()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes chunks until there is nothing to make.
    fn help(&self, eval: &Eval<'_>, leaf: &mut impl Leaf) {
        while let Some((n, mut chunk)) = self.next() {
            chunk.fill(eval, leaf, self.part(n), self.steps);
            self.put(n, chunk);
        }
    }

    /// The next chunk to make; waits while enough are ahead.
    fn next(&self) -> Option<(usize, Chunk)> {
        let mut state = self.lock();
        loop {
            if state.over || state.next >= self.chunks() {
                return None;
            }
            if let Some(begun) = state.begin(self.ahead()) {
                return Some(begun);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What the thread that hands over does, which wants chunk `wanted`.
    fn turn(&self, wanted: usize) -> Turn {
        let mut state = self.lock();
        if state.wanted != wanted {
            state.wanted = wanted;
            self.changed.notify_all();
        }
        loop {
            if let Some(chunk) = state.made.remove(&wanted) {
                return Turn::HandOver(chunk);
            }
            if state.over {
                return Turn::Over;
            }
            if state.next < self.chunks()
                && let Some((n, chunk)) = state.begin(self.ahead())
            {
                return Turn::Make(n, chunk);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, n: usize, chunk: Chunk) {
        self.lock().made.insert(n, chunk);
        self.changed.notify_all();
    }

    fn give_back(&self, chunk: Chunk) {
        self.lock().spare.push(chunk);
    }

    fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }
}

impl State {
    /// Begins a chunk, unless enough are ahead.
    fn begin(&mut self, ahead: usize) -> Option<(usize, Chunk)> {
        let n = self.next;
        (n < self.wanted.saturating_add(ahead)).then(|| {
            self.next += 1;
            (n, self.spare.pop().unwrap_or_default())
        })
    }
}

/// When the thread that hands over is done, everyone is.
struct End<'a, 'b>(&'a Board<'b>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a helper has begun when it panics will never be there.
struct EndOnPanic<'a, 'b>(&'a Board<'b>);

impl Drop for EndOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shared_by_what_it_costs() {
        let share =
            |taken, done, left| Share::of(Duration::from_micros(taken), done, left).map(|s| (s.helpers, s.chunk));
        for (taken, done, left, want) in [
            // Too early to tell; not worth it.
            (100, 1, 1_000, None),
            (200, 256, 500, None),
            (200, 1, 0, None),
            // One helper for every 400 microseconds, chunks of 100.
            (200, 64, 200, Some((1, 25))),
            (200, 64, 20_000, Some((7, 32))),
            // Many cheap series, few dear ones.
            (200, 4_096, 100_000, Some((7, 128))),
            (2_000, 1, 7, Some((6, 1))),
            (2_000, 1, 1, None),
        ] {
            assert_eq!(share(taken, done, left), want, "{taken} us for {done}, {left} left");
        }
    }
}
