//! Numbers as they are stored.

use serde::{Deserialize, Serialize};

/// A number by its bits: JSON has neither NaN nor infinities, and what is equal here is the same number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reading(u64);

impl Reading {
    /// A number.
    pub fn of(value: f64) -> Self {
        Reading(value.to_bits())
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}
