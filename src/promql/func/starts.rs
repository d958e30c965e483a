//! Start timestamps: when a counter was last zero.

use super::super::annotations::Note;
use super::signature::{FnCtx, Window};

/// What start timestamps say of a series' samples. Without any, nothing.
pub(super) struct Starts<'a> {
    st: &'a [i64],
}

impl<'a> Starts<'a> {
    /// Start timestamps, as many as samples, or none.
    pub fn new(st: &'a [i64]) -> Self {
        Starts { st }
    }

    pub fn at(&self, i: usize) -> i64 {
        self.st.get(i).copied().unwrap_or(0)
    }

    /// Whether the counter was reset between sample `i - 1` at `before` and sample `i` at `now`: it started anew after
    /// the earlier one, or exactly then, where that one has a start of its own (successive deltas).
    pub fn reset(&self, i: usize, before: i64, now: i64) -> bool {
        let (start, previous) = (self.at(i), self.at(i.wrapping_sub(1)));
        start != 0 && start < now && (start > before || (start == before && previous != 0 && previous < before))
    }

    /// Whether sample `i` claims to have started before the sample before it, at `before`, without being one of the
    /// same start.
    pub fn overlaps(&self, i: usize, before: i64) -> bool {
        let start = self.at(i);
        start != 0 && start < before && start != self.at(i.wrapping_sub(1))
    }

    /// When the first sample's counter was zero, where that is known and in the range.
    pub fn zero(&self, first: i64, w: &Window<'_>) -> Option<i64> {
        Some(self.at(0)).filter(|st| *st != 0 && *st > w.start && *st < first)
    }

    /// Notes a sample whose start lies before the sample before it.
    pub fn note_overlaps(&self, times: impl Iterator<Item = i64> + Clone, ctx: &mut FnCtx<'_>) {
        if !self.st.is_empty() && times.enumerate().any(|(i, before)| self.overlaps(i + 1, before)) {
            ctx.note_arg(0, Note::OverlappingStartTime(ctx.metric_name()));
        }
    }
}
