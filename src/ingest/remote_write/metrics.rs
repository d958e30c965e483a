//! How much the requests of remote write that are under way hold, as metrics.

use crate::instrument::{Collect, Exposition, Figure, counter, gauge};

use super::receive::Receiver;
use crate::ingest::admission::Admission;

const ADMISSION: [Figure<Admission>; 2] = [
    gauge("watchbell_remote_write_receiver_held_bytes", "Bytes that remote writes under way hold.", |a| {
        a.held() as f64
    }),
    counter(
        "watchbell_remote_write_receiver_turned_away_total",
        "Remote writes answered 503 because those under way left no room.",
        |a| a.turned_away() as f64,
    ),
];

const PASSED_OVER: Figure<Receiver> = counter(
    "watchbell_api_remote_write_invalid_labels_samples_total",
    "The total number of received remote write samples that were passed over due to invalid labels.",
    |r| r.passed_over.get() as f64,
);

impl Collect for Receiver {
    fn collect(&self, out: &mut Exposition) {
        out.figures(&ADMISSION, &self.admission);
        out.figures(&[PASSED_OVER], self);
    }
}
