//! The axis of values: from the least to the greatest, with ticks at round numbers.

use super::number::short;

/// Values from here on have an SI prefix on the axis.
const LARGE: f64 = 1e4;
/// SI prefixes by powers of a thousand.
const PREFIXES: [(f64, &str); 6] = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
/// Values that differ by less than this share of their size are drawn as equal: no axis could tell them apart.
const SAME: f64 = 1e-12;

/// The axis of values.
#[derive(Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    /// Ascending.
    ticks: Vec<f64>,
    step: f64,
}

impl Scale {
    /// An axis for finite values between `min` and `max`, with about so many ticks.
    pub fn new(min: f64, max: f64, ticks: usize) -> Self {
        let size = min.abs().max(max.abs());
        let (low, high) = if max / 2.0 - min / 2.0 <= size * SAME { around(min / 2.0 + max / 2.0) } else { (min, max) };
        let mut wanted = ticks.max(2) as f64;
        for _ in 0..4 {
            let step = round_step((high - low) / wanted);
            // A tick that is only by rounding outside is inside.
            let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
            // Near the ends of what floats hold there are no round numbers to be had.
            if !(step.is_normal() && first.is_finite() && last.is_finite() && last - first < 1e3) {
                break;
            }
            if last - first >= 1.0 {
                let count = (last - first) as usize;
                return Scale { low, high, ticks: (0..=count).map(|i| (first + i as f64) * step).collect(), step };
            }
            wanted *= 2.0;
        }
        Scale { low, high, ticks: vec![low, high], step: 0.0 }
    }

    /// How far down from the top a value lies: 0 at the top, 1 at the bottom.
    pub fn share(&self, v: f64) -> f64 {
        // Halves, so that the distance of the extremes is a number too.
        let share = (self.high / 2.0 - v / 2.0) / (self.high / 2.0 - self.low / 2.0);
        share.clamp(0.0, 1.0)
    }

    /// The same in dots of `height`.
    pub fn dot(&self, v: f64, height: usize) -> usize {
        let last = height.saturating_sub(1);
        ((self.share(v) * last as f64).round() as usize).min(last)
    }

    /// The ticks and their texts, from the top.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        self.ticks.iter().rev().map(|v| (*v, self.label(*v))).collect()
    }

    fn label(&self, v: f64) -> String {
        let size = self.low.abs().max(self.high.abs());
        if self.step == 0.0 || size >= 1e21 || self.step < 1e-6 {
            return short(v);
        }
        let decimals = |scale: f64| (-(self.step / scale).log10() - 1e-9).ceil().max(0.0) as usize;
        let prefix = PREFIXES.iter().find(|(scale, _)| size >= LARGE && size >= *scale);
        let (scale, name) = match prefix {
            // Where ticks differ only far behind the point, the whole number says it better.
            Some((scale, name)) if decimals(*scale) <= 3 => (*scale, *name),
            _ => (1.0, ""),
        };
        // 0 is added so that nothing is -0.
        let shown = v / scale;
        format!("{:.*}{name}", decimals(scale), if shown == 0.0 { 0.0 } else { shown })
    }
}

/// Bounds for values that are all the same: from zero to the double, so that the line lies in the middle.
fn around(v: f64) -> (f64, f64) {
    let double = v * 2.0;
    match double.is_finite() {
        true if v > 0.0 => (0.0, double),
        true if v < 0.0 => (double, 0.0),
        true => (-1.0, 1.0),
        false => (v.min(0.0), v.max(0.0)),
    }
}

/// The least of 1, 2, 5 and 10 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let fits = |factor: &f64| factor * power >= least * (1.0 - 1e-9);
    [1.0, 2.0, 5.0, 10.0].into_iter().find(fits).unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(min: f64, max: f64) -> Vec<String> {
        Scale::new(min, max, 4).ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (min, max, want) in [
            (0.0, 1.0, &["1.0", "0.5", "0.0"][..]),
            (0.0, 100.0, &["100", "50", "0"]),
            (-3.0, 4.0, &["4", "2", "0", "-2"]),
            (0.1, 0.3, &["0.30", "0.25", "0.20", "0.15", "0.10"]),
            (1_000.0, 52_000.0, &["40k", "20k"]),
            (35.03, 85.0, &["80", "60", "40"]),
            (0.97, 1.02, &["1.02", "1.00", "0.98"]),
            (9.0, 51.0, &["40", "20"]),
            (1_000_000.1, 1_000_000.3, &["1000000.30", "1000000.25", "1000000.20", "1000000.15", "1000000.10"]),
            (0.0, 8.5e9, &["5G", "0G"]),
            // All the same.
            (1.0, 1.0, &["2.0", "1.5", "1.0", "0.5", "0.0"]),
            (0.0, 0.0, &["1.0", "0.5", "0.0", "-0.5", "-1.0"]),
            (-5.0, -5.0, &["0", "-5", "-10"]),
            // Where round numbers end.
            (-f64::MAX, f64::MAX, &["1.798e308", "-1.798e308"]),
            (f64::MAX, f64::MAX, &["1.5e308", "1e308", "5e307", "0"]),
            (0.0, 5e-324, &["1.0", "0.5", "0.0", "-0.5", "-1.0"]),
        ] {
            assert_eq!(labels(min, max), want, "{min:e} to {max:e}");
        }
    }

    #[test]
    fn values_lie_between_the_bounds() {
        let scale = Scale::new(0.0, 10.0, 4);
        for (v, want) in [(10.0, 0), (0.0, 39), (5.0, 20), (99.0, 0), (-99.0, 39)] {
            assert_eq!(scale.dot(v, 40), want, "{v}");
        }
        assert_eq!(Scale::new(-f64::MAX, f64::MAX, 4).dot(0.0, 41), 20);
    }
}
