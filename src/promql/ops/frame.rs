//! The windows of a range, and who takes the samples for them.

use super::super::ast::Dur;
use super::super::error::EvalError;
use super::super::func::RangeMode;
use super::super::plan::SelectorNode;
use super::super::steps::StepGrid;
use super::eval::Eval;
use crate::model::{Labels, SampleBuf};

/// The windows of a range over a grid: where each ends, how long it is, what it may look at beyond.
pub(super) struct Frame {
    /// Where windows end: one step for all when `@` fixes the time.
    pub ends: StepGrid,
    /// Length of a window.
    pub range: i64,
    pub mode: RangeMode,
    /// How far beyond the window its neighbours are looked for.
    pub lookback: i64,
}

impl Frame {
    /// The end of the window of step `i`.
    pub fn end(&self, i: usize) -> i64 {
        self.ends.time(if self.ends.len() == 1 { 0 } else { i })
    }

    /// The windows of a selector's range over `grid`.
    pub fn of_selector(eval: &Eval<'_>, s: &SelectorNode, range: &Dur, grid: &StepGrid) -> Result<Frame, EvalError> {
        let ends = eval.reading_grid(&s.timing, grid)?;
        Ok(Frame { ends, range: eval.range_millis(range)?, mode: s.mode, lookback: eval.env.lookback_ms })
    }

    /// The first and the last time that any window looks at.
    pub fn reach(&self) -> (i64, i64) {
        let (first, last) = (self.ends.start.saturating_sub(self.range), self.ends.last());
        match self.mode {
            RangeMode::Plain => (first.saturating_add(1), last),
            RangeMode::Anchored => (first.saturating_sub(self.lookback) + 1, last),
            RangeMode::Smoothed => (first.saturating_sub(self.lookback) + 1, last.saturating_add(self.lookback)),
        }
    }
}

/// Takes series with all samples that any window needs.
pub(super) type EachSeries<'s> = &'s mut dyn FnMut(&Labels, bool, &SampleBuf) -> Result<(), EvalError>;

/// As [`EachSeries`], with the windows to cut them into.
pub(super) type EachFramed<'s> = &'s mut dyn FnMut(&Frame, &Labels, bool, &SampleBuf) -> Result<(), EvalError>;
