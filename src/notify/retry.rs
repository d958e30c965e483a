//! How long to wait before a failed notification is tried again.

const FIRST: f64 = 500.0;
const FACTOR: f64 = 1.5;
const LONGEST: f64 = 60_000.0;
/// A receiver that asks for more patience than this is asked again all the same.
const LONGEST_ASKED: i64 = 3_600_000;

/// The wait before attempt number `attempts + 1`, milliseconds: growing by half each time from half a second to a
/// minute, spread by half around that so that what failed together is not retried together. `seed` decides where in
/// the spread (the engine has no source of chance); `asked` is the receiver's own wish.
pub fn backoff(attempts: u32, seed: u64, asked: Option<i64>) -> i64 {
    let grown = FIRST * FACTOR.powi(attempts.saturating_sub(1).min(30) as i32);
    let mixed = twox_hash::XxHash64::oneshot(u64::from(attempts), &seed.to_le_bytes());
    let spread = 0.5 + (mixed >> 11) as f64 / (1u64 << 53) as f64;
    let wait = (grown.min(LONGEST) * spread) as i64;
    wait.max(asked.unwrap_or(0).min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_are_spread() {
        for (attempts, middle) in [(1, 500), (2, 750), (3, 1125), (12, 43_248), (13, 60_000), (1_000_000, 60_000)] {
            let waits: Vec<i64> = (0..200).map(|seed| backoff(attempts, seed, None)).collect();
            assert!(waits.iter().all(|w| *w >= middle / 2 && *w <= middle * 3 / 2), "{attempts}: {waits:?}");
            assert!(waits.iter().max() > waits.iter().min(), "{attempts}");
        }
    }

    #[test]
    fn a_receivers_wish_is_honoured_within_reason() {
        assert_eq!(backoff(1, 0, Some(120_000)), 120_000);
        assert!(backoff(13, 0, Some(1)) >= 30_000);
        assert_eq!(backoff(1, 0, Some(i64::MAX)), LONGEST_ASKED);
    }
}
