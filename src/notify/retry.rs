//! How long to wait before a failed notification is tried again.

const FIRST: f64 = 500.0;
const FACTOR: f64 = 1.5;
const LONGEST: f64 = 60_000.0;
/// A receiver that asks for more patience than this is asked again all the same.
const LONGEST_ASKED: i64 = 3_600_000;

/// An attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When it began, milliseconds.
    pub began: i64,
    /// When it had failed, milliseconds.
    pub ended: i64,
    /// Which it was, from 1.
    pub number: u32,
}

/// When to try again, milliseconds. The pause counts from the beginning of the attempt that failed, as Alertmanager's
/// does: what took longer than it is tried again at once. `asked` is the receiver's own wish, from when it answered.
pub fn again_at(failed: FailedAttempt, seed: u64, asked: Option<i64>) -> i64 {
    let FailedAttempt { began, ended, number } = failed;
    let wish = ended.saturating_add(asked.unwrap_or(0).clamp(0, LONGEST_ASKED));
    began.saturating_add(backoff(number, seed)).max(wish)
}

/// The pause before attempt number `attempts + 1`, milliseconds: growing by half each time from half a second to a
/// minute, spread by half around that so that what failed together is not retried together. `seed` decides where in
/// the spread (the engine has no source of chance).
fn backoff(attempts: u32, seed: u64) -> i64 {
    let grown = FIRST * FACTOR.powi(attempts.saturating_sub(1).min(30) as i32);
    let mixed = twox_hash::XxHash64::oneshot(u64::from(attempts), &seed.to_le_bytes());
    let spread = 0.5 + (mixed >> 11) as f64 / (1u64 << 53) as f64;
    (grown.min(LONGEST) * spread) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_spread() {
        for (attempts, middle) in [(1, 500), (2, 750), (3, 1125), (12, 43_248), (13, 60_000), (1_000_000, 60_000)] {
            let waits: Vec<i64> = (0..200).map(|seed| backoff(attempts, seed)).collect();
            assert!(waits.iter().all(|w| *w >= middle / 2 && *w <= middle * 3 / 2), "{attempts}: {waits:?}");
            assert!(waits.iter().max() > waits.iter().min(), "{attempts}");
        }
    }

    #[test]
    fn a_receivers_wish_is_honoured_within_reason() {
        let at_once = |number| FailedAttempt { began: 0, ended: 0, number };
        assert_eq!(again_at(at_once(1), 0, Some(120_000)), 120_000);
        assert!(again_at(at_once(13), 0, Some(1)) >= 30_000);
        assert_eq!(again_at(at_once(1), 0, Some(i64::MAX)), LONGEST_ASKED);
        let slow = FailedAttempt { ended: 400, ..at_once(1) };
        assert_eq!(again_at(slow, 0, Some(5_000)), 5_400, "the wish counts from the answer");
    }

    #[test]
    fn a_pause_counts_from_when_the_attempt_began() {
        for seed in 0..100 {
            let pause = backoff(2, seed);
            let failed = |ended| FailedAttempt { began: 1_000, ended, number: 2 };
            assert_eq!(again_at(failed(1_100), seed, None), 1_000 + pause);
            assert_eq!(again_at(failed(1_000 + 60_000), seed, None), 61_000, "it took longer than the pause");
        }
    }
}
