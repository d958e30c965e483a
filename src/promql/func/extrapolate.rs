//! From the change between a window's samples to that over its whole range.

/// What to make of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Per second, of a counter.
    Rate,
    /// In all, of a counter.
    Increase,
    /// In all, of a gauge.
    Delta,
}

impl Change {
    /// Whether a value lower than the one before means the counter was reset.
    pub fn of_counter(self) -> bool {
        self != Change::Delta
    }
}

/// Where the samples of a window lie in its range.
pub(super) struct Extent {
    /// First sample, milliseconds.
    pub first: i64,
    /// Last sample.
    pub last: i64,
    /// Samples.
    pub samples: usize,
    /// Start of the range, exclusive.
    pub start: i64,
    /// End of the range.
    pub end: i64,
    /// When the first sample's counter was zero, where its start timestamp tells and lies in the range.
    pub zero: Option<i64>,
}

impl Extent {
    /// The factor from the change between the first and the last sample to that over the range. `first_value` and
    /// `total` (the change) tell where a counter was zero.
    pub fn factor(&self, what: Change, first_value: f64, total: f64) -> f64 {
        let reach = Reach::new(self);
        if self.zero.is_some() { reach.usual(what) } else { reach.factor(what, first_value, total) }
    }
}

/// What the times of a window's samples make of the factor from their change to that over the range: the range is
/// covered up to its ends where the samples come close to them, else half a sampling interval beyond the samples. A
/// counter is not carried back beyond zero, which its values tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    sampled: f64,
    to_start: f64,
    to_end: f64,
    range: f64,
    /// Factors of `rate` and of the others, where a counter was not zero close before its first sample.
    rate: f64,
    plain: f64,
}

/// Beyond this a product of two values may overflow.
const LARGE: f64 = 1e150;

impl Reach {
    pub fn new(extent: &Extent) -> Reach {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let spacing = seconds(extent.last - extent.first) / (extent.samples - 1).max(1) as f64;
        let threshold = spacing * 1.1;
        let near = |gap: f64| if gap >= threshold { spacing / 2.0 } else { gap };
        let sampled = seconds(extent.last - extent.zero.unwrap_or(extent.first));
        let to_start = if extent.zero.is_some() { 0.0 } else { near(seconds(extent.first - extent.start)) };
        let to_end = near(seconds(extent.end - extent.last));
        let range = seconds(extent.end - extent.start);
        let plain = (sampled + to_start + to_end) / sampled;
        Reach { sampled, to_start, to_end, range, rate: plain / range, plain }
    }

    #[inline]
    fn usual(&self, what: Change) -> f64 {
        if what == Change::Rate { self.rate } else { self.plain }
    }

    /// The factor for a series that begins with `first_value` and changes by `total`.
    #[inline]
    pub fn factor(&self, what: Change, first_value: f64, total: f64) -> f64 {
        // Without a division where there is no doubt: the margin is far above what rounding could change.
        let far = first_value * self.sampled > self.to_start * total * 1.000_001 && first_value < LARGE;
        if far || !what.of_counter() || !(total > 0.0 && first_value >= 0.0) {
            return self.usual(what);
        }
        let to_zero = self.sampled * (first_value / total);
        if to_zero < self.to_start {
            let factor = (self.sampled + to_zero + self.to_end) / self.sampled;
            if what == Change::Rate { factor / self.range } else { factor }
        } else {
            self.usual(what)
        }
    }
}
