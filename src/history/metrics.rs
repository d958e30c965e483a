//! How the history is, as metrics.

use crate::instrument::{Collect, Exposition, Figure, counter, gauge};

use super::log::{Health, History};

struct Seen {
    history: History,
    health: Health,
}

const FIGURES: [Figure<Seen>; 7] = [
    counter("watchbell_history_decisions_total", "Decisions recorded in the history.", |s| s.history.recorded() as f64),
    counter("watchbell_history_lost_decisions_total", "Decisions that could not be written to the history.", |s| {
        s.history.lost() as f64
    }),
    gauge("watchbell_history_healthy", "Whether decisions are being recorded.", |s| {
        f64::from(u8::from(s.health.failure.is_none()))
    }),
    gauge(
        "watchbell_history_sealing_healthy",
        "Whether the last log of the history that was long enough was sealed.",
        |s| f64::from(u8::from(s.health.unsealed.is_none())),
    ),
    gauge("watchbell_history_size_bytes", "Size of the history on disk.", |s| s.health.bytes as f64),
    gauge("watchbell_history_segments", "Files of the history.", |s| s.health.files as f64),
    gauge("watchbell_history_damaged_places", "Places of the history that could not be read since the start.", |s| {
        s.history.damaged() as f64
    }),
];

/// A history that could not be opened.
pub struct Unrecorded;

impl Collect for Unrecorded {
    fn collect(&self, out: &mut Exposition) {
        let help = "Whether decisions are being recorded.";
        out.figures(&[gauge("watchbell_history_healthy", help, |_: &Unrecorded| 0.0)], self);
    }
}

impl Collect for History {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&FIGURES, &Seen { history: self.clone(), health: self.health() });
    }
}
