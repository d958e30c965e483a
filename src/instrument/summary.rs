//! Observations whose quantiles are shown: of what came in within the last minutes.

use std::time::Duration;

use parking_lot::Mutex;

use super::exposition::{Exposition, Kind};
use super::instruments::Children;
use crate::clock::Stopwatch;

/// The quantiles that are shown, as Prometheus shows them.
const QUANTILES: [(f64, &str); 3] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99")];
/// How long an observation counts at least; twice as long at most.
const AGE: Duration = Duration::from_secs(5 * 60);
/// Observations of such a time that are remembered.
const REMEMBERED: usize = 512;

/// Observations: their sum and number since the start, and quantiles of the last ones.
#[derive(Debug, Default)]
pub struct Summary(Mutex<Observed>);

#[derive(Debug, Default)]
struct Observed {
    sum: f64,
    count: u64,
    young: Vec<f64>,
    old: Vec<f64>,
    since: Option<Stopwatch>,
}

impl Observed {
    fn age(&mut self) {
        let since = *self.since.get_or_insert_with(Stopwatch::start);
        let elapsed = since.elapsed();
        if elapsed >= AGE {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(Stopwatch::start());
        }
        if elapsed >= AGE * 2 {
            self.old.clear();
        }
    }
}

impl Summary {
    /// Takes an observation in.
    pub fn observe(&self, v: f64) {
        let mut observed = self.0.lock();
        observed.age();
        let place = observed.count as usize % REMEMBERED;
        observed.sum += v;
        observed.count += 1;
        if observed.young.len() < REMEMBERED {
            observed.young.push(v);
        } else if let Some(oldest) = observed.young.get_mut(place) {
            *oldest = v;
        }
    }

    /// Quantiles, not a number where nothing was observed lately; sum; count.
    fn read(&self) -> ([(&'static str, f64); QUANTILES.len()], f64, u64) {
        let mut observed = self.0.lock();
        observed.age();
        let mut lately = [observed.young.as_slice(), observed.old.as_slice()].concat();
        lately.sort_by(f64::total_cmp);
        let quantile = |(q, name): (f64, &'static str)| {
            let rank = (q * lately.len() as f64).ceil() as usize;
            (name, lately.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN))
        };
        (QUANTILES.map(quantile), observed.sum, observed.count)
    }
}

/// Summaries apart by labels.
#[derive(Debug)]
pub struct SummaryVec {
    name: &'static str,
    help: &'static str,
    children: Children<Summary>,
}

impl SummaryVec {
    /// A family of summaries with labels of these names.
    pub fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        SummaryVec { name, help, children: Children::new(name, labels) }
    }

    /// The summary of these values, in the order of the names.
    pub fn with(&self, values: &[&str]) -> std::sync::Arc<Summary> {
        self.children.get(values, Summary::default)
    }

    /// Forgets those of whose values, in the order of the names, this does not hold.
    pub fn retain(&self, is_wanted: impl Fn(&[String]) -> bool) {
        self.children.retain(is_wanted);
    }

    /// Writes the family.
    pub fn expose(&self, out: &mut Exposition) {
        out.family(self.name, Kind::Summary, self.help, |f| {
            self.children.each(|labels, summary| {
                let (quantiles, sum, count) = summary.read();
                f.quantiles(labels, &quantiles);
                f.summary(labels, sum, count);
            });
        });
        self.children.expose_uncounted(out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_observed() {
        let times = SummaryVec::new("t_seconds", "T.", &["slice"]);
        times.with(&["none"]);
        for i in 1..=100 {
            times.with(&["some"]).observe(f64::from(i));
        }
        let mut out = Exposition::new(Format::Text);
        times.expose(&mut out);
        let text = out.finish();
        assert!(text.contains("t_seconds{slice=\"none\",quantile=\"0.5\"} NaN\n"), "{text}");
        for line in ["quantile=\"0.5\"} 50\n", "quantile=\"0.9\"} 90\n", "quantile=\"0.99\"} 99\n"] {
            assert!(text.contains(&format!("t_seconds{{slice=\"some\",{line}")), "{text}");
        }
        assert!(text.contains("t_seconds_sum{slice=\"some\"} 5050\nt_seconds_count{slice=\"some\"} 100\n"), "{text}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let summary = Summary::default();
        (0..10 * REMEMBERED).for_each(|i| summary.observe(i as f64));
        let (quantiles, _, count) = summary.read();
        assert_eq!(count, 10 * REMEMBERED as u64);
        assert!(quantiles[0].1 > 9.0 * REMEMBERED as f64, "{quantiles:?}");
        assert_eq!(summary.0.lock().young.len(), REMEMBERED);
    }
}
