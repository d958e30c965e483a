//! The incident: a bad rollout and a failing fan, and what each does to the fleet's signals.
//!
//! A new version of the fraud detector reads a feature that upstream no longer fills. Its predictions shift, its
//! accuracy falls when labels arrive, its callers retry, and the retries fill queues and GPU memory. In the same hours
//! a fan of one GPU node fails.

use super::shape::Envelope;

const MINUTE: i64 = 60_000;

/// One thing that happens, for those who follow the story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// When, milliseconds.
    pub at: i64,
    /// What happened, one line.
    pub what: &'static str,
}

/// When the incident's disturbances begin and end.
#[derive(Clone, Debug)]
pub struct Incident {
    start: i64,
    pub(super) shifted_predictions: Envelope,
    pub(super) lost_accuracy: Envelope,
    pub(super) failing_requests: Envelope,
    pub(super) slow_requests: Envelope,
    pub(super) filled_memory: Envelope,
    pub(super) failed_fan: Envelope,
    pub(super) xid: Envelope,
}

/// The model whose rollout goes wrong.
pub(super) const BAD_MODEL: &str = "fraud-detector";
/// The model that waits for the bad one and gets slow.
pub(super) const SLOW_MODEL: &str = "search-ranker";
/// The node (from 0) whose queues fill GPU memory.
pub(super) const CROWDED_NODE: usize = 2;
/// The node (from 0) whose fan fails.
pub(super) const HOT_NODE: usize = 4;
/// The GPU of the hot node that falls off the bus, and the code the driver reports for it.
pub(super) const LOST_GPU: (usize, f64) = (6, 79.0);

impl Incident {
    /// The incident whose clock starts at `start`, milliseconds.
    pub(super) fn at(start: i64) -> Incident {
        let during = |from: i64, rise: i64, to: i64, fall: i64| Envelope {
            start: start + from * MINUTE,
            rise: rise * MINUTE,
            end: start + to * MINUTE,
            fall: fall * MINUTE,
        };
        Incident {
            start,
            shifted_predictions: during(20, 0, 330, 0),
            lost_accuracy: during(40, 0, 350, 0),
            failing_requests: during(50, 0, 130, 0),
            slow_requests: during(60, 0, 140, 0),
            filled_memory: during(70, 10, 180, 10),
            failed_fan: during(90, 20, 370, 15),
            xid: during(120, 0, 165, 0),
        }
    }

    /// The same incident, of which nothing that is going on at a time ends any more.
    pub(super) fn held_from(self, at: i64) -> Incident {
        // Far away, and near enough for sums of times.
        let never = i64::MAX / 8;
        let hold = |during: Envelope| Envelope { end: if during.end > at { never } else { during.end }, ..during };
        Incident {
            start: self.start,
            shifted_predictions: hold(self.shifted_predictions),
            lost_accuracy: hold(self.lost_accuracy),
            failing_requests: hold(self.failing_requests),
            slow_requests: hold(self.slow_requests),
            filled_memory: hold(self.filled_memory),
            failed_fan: hold(self.failed_fan),
            xid: hold(self.xid),
        }
    }

    /// How long into the incident its height is, milliseconds: most of what goes wrong does so then.
    pub const HEIGHT: i64 = 125 * MINUTE;

    /// How long to play, milliseconds: from quiet to quiet.
    pub const LENGTH: i64 = 420 * MINUTE;

    /// The story's lines, ascending in time.
    pub fn acts(&self) -> Vec<Act> {
        let act = |at: i64, what: &'static str| Act { at, what };
        vec![
            act(self.start, "all quiet: 8 models, 48 pods, 64 GPUs"),
            act(
                self.shifted_predictions.start,
                "fraud-detector v2.4 is rolled out; a feature it reads is no longer filled",
            ),
            act(self.lost_accuracy.start, "labels for the first hour arrive: fraud-detector's accuracy has dropped"),
            act(self.failing_requests.start, "fraud-detector rejects requests with missing features; callers retry"),
            act(self.slow_requests.start, "search-ranker waits for fraud-detector and slows down"),
            act(self.filled_memory.start, "retries queue up: memory of four GPUs on gpu-node-03 fills"),
            act(self.failed_fan.start, "a fan of gpu-node-05 fails"),
            act(self.xid.start, "gpu-node-05: GPU 6 reports XID 79 (fallen off the bus)"),
            act(self.failing_requests.end, "callers stop retrying"),
            act(self.slow_requests.end, "search-ranker recovers"),
            act(self.xid.end, "gpu-node-05: GPU 6 is reset"),
            act(self.filled_memory.end, "queues drain: GPU memory falls back"),
            act(self.shifted_predictions.end, "fraud-detector v2.4 is rolled back"),
            act(self.lost_accuracy.end, "accuracy is measured on the old version again"),
            act(self.failed_fan.end, "the fan of gpu-node-05 is replaced"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_its_height_everything_is_wrong_and_stays_so_when_it_is_held() {
        let held = Incident::at(1_000).held_from(1_000 + Incident::HEIGHT);
        let week = 1_000 + 7 * 24 * 60 * MINUTE;
        for during in [
            held.shifted_predictions,
            held.lost_accuracy,
            held.failing_requests,
            held.slow_requests,
            held.filled_memory,
            held.failed_fan,
            held.xid,
        ] {
            assert_eq!((during.at(1_000 + Incident::HEIGHT) > 0.9, during.at(week)), (true, 1.0), "{during:?}");
            assert!(during.integral(week) > 0.0);
        }
        assert!(held.acts().iter().all(|act| act.at <= 1_000 + Incident::HEIGHT || act.at > week));
    }

    #[test]
    fn the_story_is_told_in_order_and_ends_before_the_play_does() {
        let acts = Incident::at(1_000).acts();
        assert!(acts.is_sorted_by_key(|a| a.at));
        assert!(acts.last().is_some_and(|a| a.at < 1_000 + Incident::LENGTH));
    }
}
