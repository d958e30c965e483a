//! Samples at even steps, as tests have them.

use crate::model::{SampleBuf, is_stale};

/// What a series has at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// No sample.
    Nothing,
    /// A value.
    Value(f64),
    /// The series ended.
    Stale,
}

/// Even steps.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// The first, milliseconds.
    pub start: i64,
    /// From one to the next.
    pub step: i64,
    /// No step is later.
    pub to: i64,
}

impl Grid {
    /// A series at the steps. A scrape has its own moment, the same in every interval but for some jitter; all its samples
    /// are moved by the same time to the next step, so that nothing is there before it was. Nothing stands at the end.
    pub fn slots(&self, samples: &SampleBuf) -> Vec<Slot> {
        let phase = self.phase(&samples.ts);
        let mut out = Vec::new();
        for (t, value) in samples.ts.iter().zip(&samples.vs) {
            let shifted = t.saturating_sub(self.start).saturating_add(self.step - phase);
            let step = (shifted.saturating_add(self.step / 2)).div_euclid(self.step);
            let Ok(step) = usize::try_from(step) else { continue };
            if self.start.saturating_add(self.step.saturating_mul(step as i64)) > self.to {
                break;
            }
            let slot = if is_stale(*value) { Slot::Stale } else { Slot::Value(*value) };
            if step >= out.len() {
                out.resize(step, Slot::Nothing);
                out.push(slot);
            } else if let Some(last) = out.get_mut(step) {
                // Two samples in one step: the later one stands.
                *last = slot;
            }
        }
        out
    }

    /// When within a step the samples come: from 1 to a step's length, the median of them.
    fn phase(&self, ts: &[i64]) -> i64 {
        // Around the first sample, so that jitter over a step's boundary is small.
        let Some(first) = ts.first() else { return self.step };
        let half = self.step / 2;
        let mut around: Vec<i64> = ts.iter().map(|t| (t - first + half).rem_euclid(self.step) - half).collect();
        let middle = around.len() / 2;
        let (_, median, _) = around.select_nth_unstable(middle);
        let phase = (first - self.start + *median).rem_euclid(self.step);
        if phase == 0 { self.step } else { phase }
    }
}

/// The time between samples that series have as a rule: the shortest of their usual ones, to the second.
pub fn interval<'s>(series: impl Iterator<Item = &'s SampleBuf>, otherwise: i64) -> i64 {
    let usual = |samples: &SampleBuf| {
        let mut gaps: Vec<i64> = samples.ts.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?)).collect();
        let middle = gaps.len() / 2;
        (!gaps.is_empty()).then(|| *gaps.select_nth_unstable(middle).1)
    };
    let shortest = series.filter_map(usual).min().unwrap_or(otherwise);
    ((shortest + 500) / 1_000 * 1_000).clamp(1_000, 3_600_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::STALE_NAN;

    fn buffer(samples: &[(i64, f64)]) -> SampleBuf {
        let mut out = SampleBuf::default();
        samples.iter().for_each(|(t, v)| out.push(*t, *v));
        out
    }

    #[test]
    fn samples_move_to_the_next_step_whatever_their_jitter() {
        let grid = Grid { start: 60_000, step: 15_000, to: 150_000 };
        let samples = buffer(&[(67_300, 1.0), (82_290, 2.0), (97_330, 3.0), (127_301, 5.0), (135_000, STALE_NAN)]);
        let slots = grid.slots(&samples);
        use Slot::*;
        assert_eq!(slots, [Nothing, Value(1.0), Value(2.0), Value(3.0), Nothing, Value(5.0), Stale]);
        // On the grid they stay.
        let on = buffer(&[(60_000, 1.0), (75_000, 2.0), (89_990, 3.0)]);
        assert_eq!(grid.slots(&on), [Value(1.0), Value(2.0), Value(3.0)]);
        assert_eq!(interval([&samples, &on].into_iter(), 60_000), 15_000);
    }
}
