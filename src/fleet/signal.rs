//! What a series' values follow.

use super::noise;
use super::shape::{Curve, Envelope};

/// How one series' values are computed.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    /// Always the same.
    Constant(f64),
    /// A level that swings and is disturbed.
    Gauge(Gauge),
    /// A sum that grows.
    Counter(Counter),
    /// One of two values, by whether a disturbance is on.
    Switch { off: f64, on: f64, during: Envelope },
}

/// A gauge: a curve, noise from sample to sample, disturbances, then rounding as the exporter rounds.
#[derive(Clone, Debug)]
pub(super) struct Gauge {
    pub curve: Curve,
    /// Size of the noise from sample to sample.
    pub jitter: f64,
    /// What each disturbance adds at full strength.
    pub effects: Vec<(Envelope, f64)>,
    /// Values are multiples of one over this.
    pub precision: f64,
    /// A value from which the result is taken away: what is free is what there is without what is used.
    pub complement_of: Option<f64>,
}

impl Gauge {
    pub fn new(curve: Curve, jitter: f64, precision: f64) -> Gauge {
        Gauge { curve, jitter, effects: Vec::new(), precision, complement_of: None }
    }

    pub fn with(mut self, effect: Option<(Envelope, f64)>) -> Gauge {
        self.effects.extend(effect);
        self
    }

    pub fn complement_of(mut self, whole: f64) -> Gauge {
        self.complement_of = Some(whole);
        self
    }

    fn fill(&self, start: i64, step: i64, out: &mut [f64]) {
        self.curve.levels(start, step, out);
        let mut t = start;
        for slot in out {
            let noise = self.jitter * noise::signed(self.curve.seed ^ 0x51ed, t);
            let disturbed: f64 = self.effects.iter().map(|(envelope, size)| envelope.at(t) * size).sum();
            let value = ((*slot + noise + disturbed) * self.precision).round() / self.precision;
            *slot = match self.complement_of {
                Some(whole) => whole - value,
                None => value,
            };
            t += step;
        }
    }
}

/// A counter: a share of a rate's integral since the fleet's origin, and what disturbances add a second.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// The rate, a second.
    pub rate: Curve,
    pub origin: i64,
    /// Which share of the rate this series counts.
    pub share: f64,
    /// What each disturbance adds a second at full strength; negative when it takes from this series' share.
    pub effects: Vec<(Envelope, f64)>,
    /// Values are multiples of one over this.
    pub precision: f64,
}

impl Counter {
    pub fn new(rate: Curve, origin: i64, share: f64, precision: f64) -> Counter {
        Counter { rate, origin, share, effects: Vec::new(), precision }
    }

    pub fn with(mut self, effect: Option<(Envelope, f64)>) -> Counter {
        self.effects.extend(effect);
        self
    }

    fn fill(&self, start: i64, step: i64, out: &mut [f64]) {
        self.rate.integrals(self.origin, start, step, out);
        let mut t = start;
        for slot in out {
            let disturbed: f64 = self.effects.iter().map(|(envelope, rate)| envelope.integral(t) * rate).sum();
            *slot = ((*slot * self.share + disturbed).max(0.0) * self.precision).floor() / self.precision;
            t += step;
        }
    }
}

impl Signal {
    pub fn fill(&self, start: i64, step: i64, out: &mut [f64]) {
        match self {
            Signal::Constant(v) => out.fill(*v),
            Signal::Gauge(gauge) => gauge.fill(start, step, out),
            Signal::Counter(counter) => counter.fill(start, step, out),
            Signal::Switch { off, on, during } => {
                let mut t = start;
                for slot in out {
                    *slot = if during.at(t) > 0.0 { *on } else { *off };
                    t += step;
                }
            }
        }
    }
}
