//! How the state store is, as metrics.

use crate::instrument::{Collect, Exposition, Figure, gauge};

use super::StoreHealth;

const HEALTH: [Figure<StoreHealth>; 4] = [
    gauge("watchbell_state_rescue_copy_healthy", "Whether the rescue copy of state is being written.", |h| {
        f64::from(u8::from(h.rescue_failure.is_none()))
    }),
    gauge(
        "watchbell_state_damaged_stores",
        "Damaged state stores that were set aside and still lie in the data directory.",
        |h| h.set_aside as f64,
    ),
    gauge(
        "watchbell_state_rescued_records",
        "Records that the rescue copy gave back since the process started.",
        |h| h.rescued as f64,
    ),
    gauge("watchbell_state_unreadable_records", "Records that did not decode and are left out.", |h| {
        h.unreadable.get() as f64
    }),
];

impl Collect for StoreHealth {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&HEALTH, self);
    }
}
