//! When a target is due: at its interval, at an offset that spreads targets and stays the same over restarts.

/// The first time after `now` at which a target with this hash is due. All milliseconds.
///
/// Due times are those `t` with `t mod interval = hash mod interval`: they do not depend on when the process started.
pub fn next_scrape(now: i64, interval: i64, hash: u64) -> i64 {
    let interval = interval.max(1);
    let offset = (hash % interval.unsigned_abs()) as i64;
    let base = now - now.rem_euclid(interval) + offset;
    if base > now { base } else { base + interval }
}

/// When a target is due again that was due at `due` and was scraped by `now`. A scrape that began a moment early is not
/// repeated; a clock that was set back begins the schedule anew.
pub fn following(due: i64, now: i64, interval: i64, hash: u64) -> i64 {
    let early = due.saturating_sub(now) <= interval / 2;
    next_scrape(if early { now.max(due) } else { now }, interval, hash)
}

/// When a target is due that was due at `due`, looked at while it waits: never further away than its interval, whatever
/// the clock did.
pub fn awaited(due: i64, now: i64, interval: i64, hash: u64) -> i64 {
    if due.saturating_sub(now) > interval { next_scrape(now, interval, hash) } else { due }
}

/// How far a scrape's start may lie from its due time and still be stored under the due time, which compresses better:
/// 1% of the interval, at most 2 ms, as in Prometheus.
pub fn aligned(due: i64, started: i64, interval: i64) -> i64 {
    let tolerance = (interval / 100).min(2);
    if (started - due).abs() <= tolerance { due } else { started }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_repeat_at_the_interval_from_a_stable_offset() {
        for hash in [0u64, 1, 7_777, u64::MAX] {
            let mut now = 1_700_000_000_123;
            for _ in 0..5 {
                let due = next_scrape(now, 15_000, hash);
                assert!(due > now && due <= now + 15_000);
                assert_eq!(due.rem_euclid(15_000), (hash % 15_000) as i64);
                assert_eq!(next_scrape(due, 15_000, hash), due + 15_000);
                now = due + 4_321;
            }
        }
        assert_eq!(next_scrape(-10, 100, 5), 5);
    }

    #[test]
    fn a_clock_set_back_begins_the_schedule_anew() {
        let due = next_scrape(1_000_000, 15_000, 7);
        assert_eq!(following(due, due + 100, 15_000, 7), due + 15_000);
        assert_eq!(following(due, due - 3, 15_000, 7), due + 15_000, "a moment early");
        let back = due - 7_200_000 + 40;
        assert_eq!(following(due, back, 15_000, 7), next_scrape(back, 15_000, 7));
        assert_eq!(following(due, due + 7_200_040, 15_000, 7), due + 7_215_000);
        assert_eq!(awaited(due, due - 15_000, 15_000, 7), due);
        assert_eq!(awaited(due, back, 15_000, 7), next_scrape(back, 15_000, 7));
        assert_eq!(awaited(due, due + 1, 15_000, 7), due);
    }

    #[test]
    fn small_delays_are_not_stored() {
        assert_eq!(aligned(1000, 1002, 15_000), 1000);
        assert_eq!(aligned(1000, 1003, 15_000), 1003);
        assert_eq!(aligned(1000, 1001, 50), 1001);
    }
}
