//! What storage makes of the samples that a rule gives it.

/// How many samples storage refused, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Older than the series' newest sample.
    pub out_of_order: u64,
    /// A second, different sample at one time.
    pub duplicate: u64,
    /// Older than storage accepts.
    pub too_old: u64,
}

/// What became of samples: which of them storage refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// How many were refused.
    pub refused: Refused,
    /// Which, by their place among all, ascending.
    pub places: Vec<usize>,
}

impl Appended {
    /// The sample at this place was refused, which is counted in one of the counts of [`Refused`].
    pub fn refuse(&mut self, place: usize, count: impl FnOnce(&mut Refused) -> &mut u64) {
        *count(&mut self.refused) += 1;
        self.places.push(place);
    }
}

impl Refused {
    /// Causes: the error of one sample, and what Prometheus logs of all of a rule's.
    fn causes(&self) -> [(u64, &'static str, &'static str); 3] {
        [
            (self.out_of_order, "out of order sample", "Error on ingesting out-of-order result from rule evaluation"),
            (self.too_old, "too old sample", "Error on ingesting too old result from rule evaluation"),
            (
                self.duplicate,
                "duplicate sample for timestamp",
                "Error on ingesting results from rule evaluation with different value but same timestamp",
            ),
        ]
    }

    /// Why samples were refused, for one of the reasons there are.
    pub fn first_reason(&self) -> Option<&'static str> {
        self.causes().into_iter().find(|(count, ..)| *count > 0).map(|(_, reason, _)| reason)
    }

    /// What the log says, with the number of samples dropped: a line a cause.
    pub fn lines(&self) -> impl Iterator<Item = (u64, &'static str)> + use<> {
        self.causes().into_iter().filter(|(count, ..)| *count > 0).map(|(count, _, line)| (count, line))
    }

    /// Adds another count.
    pub fn add(&mut self, other: Refused) {
        self.out_of_order += other.out_of_order;
        self.duplicate += other.duplicate;
        self.too_old += other.too_old;
    }
}
