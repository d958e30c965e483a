//! A target that is down, told in the log once when it begins and once when it has ended.

/// Between two beginnings that are told, milliseconds: a target that comes and goes does not fill the log.
const BETWEEN_NEWS: i64 = 5 * 60_000;

/// What was said of one target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Down {
    scrapes: u64,
    is_told: bool,
    told_at: Option<i64>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// It is down.
    Began,
    /// It answers again, after so many scrapes that failed.
    Ended(u64),
}

impl Down {
    /// The target was scraped at `at`.
    pub fn scraped(&mut self, answered: bool, at: i64) -> Option<HealthChange> {
        if answered {
            let scrapes = std::mem::take(&mut self.scrapes);
            return std::mem::take(&mut self.is_told).then_some(HealthChange::Ended(scrapes));
        }
        self.scrapes += 1;
        // A clock that was set back does not silence anything.
        let is_due = self.told_at.is_none_or(|told| !(0..BETWEEN_NEWS).contains(&at.saturating_sub(told)));
        if self.is_told || !is_due {
            return None;
        }
        (self.is_told, self.told_at) = (true, Some(at));
        Some(HealthChange::Began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_stays_down_is_told_once_and_when_it_is_back() {
        let mut down = Down::default();
        assert_eq!(down.scraped(true, 0), None);
        assert_eq!(down.scraped(false, 15_000), Some(HealthChange::Began));
        for i in 2..100 {
            assert_eq!(down.scraped(false, i * 15_000), None);
        }
        assert_eq!(down.scraped(true, 1_500_000), Some(HealthChange::Ended(99)));
        assert_eq!(down.scraped(true, 1_515_000), None);
    }

    #[test]
    fn a_target_that_comes_and_goes_does_not_fill_the_log() {
        let mut down = Down::default();
        let told = (0..40).filter_map(|i| down.scraped(i % 2 == 1, i * 15_000)).count();
        assert_eq!(told, 4, "in ten minutes");
        assert_eq!(down.scraped(false, 0), Some(HealthChange::Began), "the clock was set back");
    }
}
