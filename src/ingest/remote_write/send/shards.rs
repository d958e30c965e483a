//! How many shards an endpoint needs: Prometheus' formula, over what came in, what was sent and how long sending took.

use super::QueueSettings;
use super::metrics::SendCounters;

/// Rates are taken, and shards counted anew, no more often than this: seconds.
pub(super) const EVERY_SECONDS: f64 = 10.0;
/// The weight of the newest rate.
const WEIGHT: f64 = 0.2;
/// What is left behind is caught up with at this part of it a second.
const CATCH_UP: f64 = 0.05;
/// Within this part of what there is, nothing changes.
const TOLERANCE: f64 = 0.3;

/// A rate that follows the newest ones.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    total: f64,
    /// A second.
    rate: f64,
    is_begun: bool,
}

impl Rate {
    fn tick(&mut self, total: f64, seconds: f64) {
        let newest = (total - std::mem::replace(&mut self.total, total)) / seconds;
        self.rate = if self.is_begun { self.rate + WEIGHT * (newest - self.rate) } else { newest };
        self.is_begun = true;
    }
}

/// What an endpoint takes.
#[derive(Debug, Default)]
pub(super) struct Rates {
    came: Rate,
    sent: Rate,
    dropped: Rate,
    /// Seconds spent sending, by all shards together.
    spent: Rate,
    /// Samples sent at the last look.
    sent_before: f64,
}

impl Rates {
    /// Looks at the counters, `seconds` after the last look; how many shards there should be where there are `now`.
    pub(super) fn look(
        &mut self,
        counters: &SendCounters,
        settings: &QueueSettings,
        now: usize,
        seconds: f64,
    ) -> usize {
        let sent = (counters.samples.get() + counters.histograms.get()) as f64;
        self.came.tick(counters.came.get() as f64, seconds);
        self.sent.tick(sent, seconds);
        self.dropped.tick(counters.dropped.get() as f64, seconds);
        self.spent.tick(counters.send_micros.get() as f64 / 1e6, seconds);
        // An endpoint that takes nothing at all takes no more from more shards.
        let takes = std::mem::replace(&mut self.sent_before, sent) < sent;
        let behind = (counters.highest.get() - counters.highest_sent.get()).max(0.0);
        let (fewest, most) = (settings.min_shards.max(1), settings.max_shards.max(settings.min_shards).max(1));
        let desired = self.desired(behind, now);
        counters.shards_desired.set(desired);
        let changes = takes && (desired < now as f64 * (1.0 - TOLERANCE) || desired > now as f64 * (1.0 + TOLERANCE));
        // Fewer only once what came has gone.
        let is_late = behind * 1_000.0 > settings.batch_send_deadline as f64;
        if !changes || (desired < now as f64 && is_late) {
            return now.clamp(fewest, most);
        }
        (desired.ceil() as usize).clamp(fewest, most)
    }

    fn desired(&self, behind: f64, now: usize) -> f64 {
        let out = self.sent.rate;
        if out <= 0.0 {
            return now as f64;
        }
        let kept = out / (out + self.dropped.rate);
        let came = self.came.rate * kept;
        self.spent.rate / out * (came + CATCH_UP * behind * came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays ten seconds again and again: so many samples come and are sent, in so many seconds of all shards.
    fn play(
        counters: &SendCounters,
        rates: &mut Rates,
        settings: &QueueSettings,
        plays: &[(u64, u64, f64)],
    ) -> Vec<usize> {
        let mut shards = settings.min_shards;
        let mut all = Vec::new();
        for (came, sent, spent) in plays {
            counters.came.add(*came);
            counters.samples.add(*sent);
            counters.send_micros.add((spent * 1e6) as u64);
            shards = rates.look(counters, settings, shards, EVERY_SECONDS);
            all.push(shards);
        }
        all
    }

    #[test]
    fn shards_grow_where_one_cannot_keep_up_and_shrink_when_few_are_enough() {
        let (counters, settings) = (SendCounters::default(), QueueSettings::default());
        let mut rates = Rates::default();
        // One shard that sends a quarter of what comes: four times as many, and then for the backlog.
        let grown = play(&counters, &mut rates, &settings, &[(4_000, 1_000, 10.0)]);
        assert_eq!(grown, [4]);
        counters.highest.set(100.0);
        let caught_up = play(&counters, &mut rates, &settings, &[(4_000, 4_000, 10.0)]);
        assert!(caught_up[0] > 4 && caught_up[0] <= settings.max_shards, "{caught_up:?}");
        counters.highest_sent.set(100.0);
        let later = play(&counters, &mut rates, &settings, &[(4_000, 4_000, 1.0); 20]);
        assert_eq!(later.last(), Some(&1), "{later:?}");
    }

    #[test]
    fn an_endpoint_that_takes_nothing_gets_no_more_shards() {
        let (counters, settings) = (SendCounters::default(), QueueSettings::default());
        let plays = [(9_000, 0, 10.0); 10];
        assert_eq!(play(&counters, &mut Rates::default(), &settings, &plays), [1; 10]);
        let bounded = QueueSettings { max_shards: 2, ..settings };
        assert_eq!(play(&SendCounters::default(), &mut Rates::default(), &bounded, &[(9_000, 10, 10.0)]), [2]);
    }
}
