//! How fast budgets may burn.

/// How fast a budget may burn: over the short and the long window, faster than the factor at which the long window
/// alone takes that share of the period's budget.
pub(super) struct Burn {
    pub short: &'static str,
    pub long: &'static str,
    /// The long window, hours.
    hours: f64,
    /// The share of the budget.
    share: f64,
}

/// Someone is woken for 2 % of the budget within an hour or 5 % within six.
pub(super) static PAGE: [Burn; 2] = [
    Burn { short: "5m", long: "1h", hours: 1.0, share: 0.02 },
    Burn { short: "30m", long: "6h", hours: 6.0, share: 0.05 },
];
/// What takes 10 % within a day or within three can wait for the morning.
pub(super) static TICKET: [Burn; 2] = [
    Burn { short: "2h", long: "1d", hours: 24.0, share: 0.1 },
    Burn { short: "6h", long: "3d", hours: 72.0, share: 0.1 },
];

impl Burn {
    /// How many times its usual pace a budget for so many days burns.
    pub fn factor(&self, days: u32) -> f64 {
        rounded(self.share * f64::from(days) * 24.0 / self.hours)
    }

    /// Whether an objective's budget can burn so fast: where much may be bad, all events being bad is not fast enough.
    pub fn can_be(&self, days: u32, budget: f64) -> bool {
        self.factor(days) * budget < 1.0
    }
}

/// A number without what binary fractions add to its decimals.
pub(super) fn rounded(x: f64) -> f64 {
    (x * 1e12).round() / 1e12
}
