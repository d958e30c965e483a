//! `rate_limit`: a bucket of requests that fills at a rate.

use parking_lot::Mutex;

use crate::clock::Stopwatch;
use crate::config::web::RateLimit;

/// How many requests may come at once, and when that was so.
#[derive(Default)]
pub struct Bucket(Mutex<Option<(f64, Stopwatch)>>);

impl Bucket {
    /// Takes a request out of it; whether there was one.
    pub fn takes(&self, limit: &RateLimit) -> bool {
        if limit.interval.0 <= 0 {
            return true;
        }
        let mut state = self.0.lock();
        let burst = limit.burst.max(0) as f64;
        let (held, since) = state.take().map_or((burst, 0.0), |(held, at)| (held, at.elapsed().as_secs_f64()));
        let held = (held + since * 1000.0 / limit.interval.0 as f64).min(burst);
        let takes = held >= 1.0;
        *state = Some((if takes { held - 1.0 } else { held }, Stopwatch::start()));
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::GoDuration;

    #[test]
    fn so_many_requests_are_taken_at_once() {
        let limit = |interval, burst| RateLimit { interval: GoDuration(interval), burst };
        let bucket = Bucket::default();
        let taken = |limit: &RateLimit| (0..5).filter(|_| bucket.takes(limit)).count();
        assert_eq!(taken(&limit(3_600_000, 2)), 2);
        assert_eq!(taken(&limit(0, 0)), 5, "there is no limit");
        assert_eq!(taken(&limit(3_600_000, 2)), 0, "it is empty still");
    }
}
