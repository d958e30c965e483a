//! Shapes in time: the day's swing with slow noise, and the envelope of a disturbance.

use super::noise;

/// Slow shapes are computed at these distances (milliseconds) and are straight between them.
const KNOT: i64 = 300_000;
const DAY_SECONDS: f64 = 86_400.0;

/// A level that swings with the time of day and wanders a little: `base * (1 + swing * day(t) + wander * noise)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    pub base: f64,
    /// Share of the base by which the day's high exceeds the mean.
    pub swing: f64,
    /// Share of the base by which slow noise moves the level.
    pub wander: f64,
    pub seed: u64,
}

/// The hour (UTC) at which a fleet's day is highest.
const PEAK_HOUR: f64 = 17.0;

impl Curve {
    fn angle(t: i64) -> f64 {
        let seconds = t as f64 / 1_000.0;
        std::f64::consts::TAU * (seconds - PEAK_HOUR * 3_600.0) / DAY_SECONDS
    }

    /// The level at a knot.
    fn level(&self, knot: i64) -> f64 {
        let day = Self::angle(knot * KNOT).cos();
        self.base * (1.0 + self.swing * day + self.wander * noise::signed(self.seed, knot))
    }

    /// The level's integral from `origin` to a knot, in base-seconds. Noise is a displacement that stays below what a
    /// knot's distance adds, so the integral never falls.
    fn integral(&self, origin: i64, knot: i64) -> f64 {
        let t = knot * KNOT;
        let seconds = (t - origin) as f64 / 1_000.0;
        let swung = (Self::angle(t).sin() - Self::angle(origin).sin()) * DAY_SECONDS / std::f64::consts::TAU;
        let displaced = self.wander * noise::signed(self.seed, knot) * KNOT as f64 / 4_000.0;
        self.base * (seconds + self.swing * swung + displaced)
    }

    /// Writes the level at each step.
    pub fn levels(&self, start: i64, step: i64, out: &mut [f64]) {
        between_knots(start, step, out, |knot| self.level(knot));
    }

    /// Writes the level's integral since `origin` at each step.
    pub fn integrals(&self, origin: i64, start: i64, step: i64, out: &mut [f64]) {
        between_knots(start, step, out, |knot| self.integral(origin, knot));
    }
}

fn between_knots(start: i64, step: i64, out: &mut [f64], at: impl Fn(i64) -> f64) {
    let mut knot = start.div_euclid(KNOT);
    let (mut left, mut right) = (at(knot), at(knot + 1));
    let mut t = start;
    for slot in out {
        while t >= (knot + 1) * KNOT {
            knot += 1;
            left = right;
            right = at(knot + 1);
        }
        let share = (t - knot * KNOT) as f64 / KNOT as f64;
        *slot = left + (right - left) * share;
        t += step;
    }
}

/// A disturbance from `start` to `end` (milliseconds): it rises to 1 within `rise`, and is gone `fall` after the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Envelope {
    pub start: i64,
    pub rise: i64,
    pub end: i64,
    pub fall: i64,
}

impl Envelope {
    /// The strength at a time, 0 to 1. A sudden disturbance is there at `start` and gone at `end`.
    pub fn at(&self, t: i64) -> f64 {
        if t < self.start || t >= self.end + self.fall {
            0.0
        } else if t < self.start + self.rise {
            (t - self.start) as f64 / self.rise as f64
        } else if t < self.end {
            1.0
        } else {
            1.0 - (t - self.end) as f64 / self.fall as f64
        }
    }

    /// The strength's integral up to a time, in seconds.
    pub fn integral(&self, t: i64) -> f64 {
        let ramp = |from: i64, length: i64| {
            let x = (t - from).clamp(0, length) as f64;
            if length == 0 { 0.0 } else { x * x / (2.0 * length as f64) }
        };
        let rising = ramp(self.start, self.rise);
        let held = (t - self.start - self.rise).clamp(0, self.end - self.start - self.rise) as f64;
        let falling = (t - self.end).clamp(0, self.fall) as f64 - ramp(self.end, self.fall);
        (rising + held + falling) / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelopes_integral_is_the_sum_of_its_strength() {
        for envelope in [
            Envelope { start: 60_000, rise: 120_000, end: 600_000, fall: 300_000 },
            Envelope { start: 60_000, rise: 0, end: 600_000, fall: 0 },
        ] {
            let mut sum = 0.0;
            for t in (0..1_200_000).step_by(100) {
                assert!((envelope.integral(t) - sum).abs() < 0.2, "{envelope:?} at {t}");
                sum += envelope.at(t) * 0.1;
            }
        }
    }

    #[test]
    fn a_curve_swings_with_the_day() {
        let curve = Curve { base: 100.0, swing: 0.5, wander: 0.0, seed: 1 };
        let mut day = vec![0.0; 288];
        curve.levels(0, KNOT, &mut day);
        let (low, high) = day.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        assert!((low - 50.0).abs() < 0.1 && (high - 150.0).abs() < 0.1, "{low} {high}");
        assert_eq!(day.iter().position(|v| *v == high), Some(17 * 12));
    }
}
