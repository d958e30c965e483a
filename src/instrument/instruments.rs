//! Instruments: atomics that anyone may write to at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::exposition::{Exposition, Kind};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that is set.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, v: f64) {
        self.0.store(v.to_bits(), Ordering::Relaxed);
    }

    /// Sets it, unless it is higher.
    pub fn raise(&self, v: f64) {
        let higher = |bits: u64| (f64::from_bits(bits) < v).then_some(v.to_bits());
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, higher);
    }

    /// What was set last.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Observations in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    // One more than bounds: what is beyond them.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

impl Histogram {
    /// An empty histogram with ascending upper bounds.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Takes an observation in.
    pub fn observe(&self, v: f64) {
        let bucket = self.bounds.partition_point(|b| *b < v);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let add = |bits: u64| Some((f64::from_bits(bits) + v).to_bits());
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Cumulative buckets without the last, sum, count.
    fn read(&self) -> (Vec<(f64, u64)>, f64, u64) {
        let mut count = 0;
        let mut cumulative: Vec<u64> = Vec::with_capacity(self.counts.len());
        for c in &self.counts {
            count += c.load(Ordering::Relaxed);
            cumulative.push(count);
        }
        let buckets = self.bounds.iter().copied().zip(cumulative).collect();
        (buckets, f64::from_bits(self.sum.load(Ordering::Relaxed)), count)
    }
}

/// The most label sets an instrument keeps: labels come from a fixed set, and this holds it to that.
pub const MAX_CHILDREN: usize = 2_000;

#[derive(Debug)]
pub(super) struct Children<T> {
    name: &'static str,
    names: &'static [&'static str],
    children: RwLock<BTreeMap<Vec<String>, Arc<T>>>,
    /// How often there was no room for one.
    uncounted: Counter,
}

impl<T> Children<T> {
    pub fn new(name: &'static str, names: &'static [&'static str]) -> Self {
        Children { name, names, children: RwLock::default(), uncounted: Counter::default() }
    }

    pub fn get(&self, values: &[&str], make: impl FnOnce() -> T) -> Arc<T> {
        let key: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        if let Some(child) = self.children.read().get(&key) {
            return child.clone();
        }
        let mut children = self.children.write();
        if children.len() >= MAX_CHILDREN && !children.contains_key(&key) {
            drop(children);
            if self.uncounted.get() == 0 {
                let metric = self.name;
                tracing::warn!(
                    metric,
                    label_sets = MAX_CHILDREN,
                    ?values,
                    "a metric has no room for further label sets"
                );
            }
            self.uncounted.inc();
            return Arc::new(make());
        }
        children.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }

    /// Forgets those whose values are not wanted any more.
    pub fn retain(&self, is_wanted: impl Fn(&[String]) -> bool) {
        self.children.write().retain(|values, _| is_wanted(values));
    }

    pub fn each(&self, mut see: impl FnMut(&[(&str, &str)], &T)) {
        for (values, child) in self.children.read().iter() {
            let labels: Vec<(&str, &str)> = self.names.iter().copied().zip(values.iter().map(String::as_str)).collect();
            see(&labels, child);
        }
    }

    /// Says what is not counted.
    pub fn expose_uncounted(&self, out: &mut Exposition) {
        out.uncounted(self.name, self.uncounted.get());
    }
}

/// Counters apart by labels.
#[derive(Debug)]
pub struct CounterVec {
    name: &'static str,
    help: &'static str,
    children: Children<Counter>,
}

impl CounterVec {
    /// A family of counters with labels of these names.
    pub fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        CounterVec { name, help, children: Children::new(name, labels) }
    }

    /// The counter of these values, in the order of the names.
    pub fn with(&self, values: &[&str]) -> Arc<Counter> {
        self.children.get(values, Counter::default)
    }

    /// Forgets those of whose values, in the order of the names, this does not hold.
    pub fn retain(&self, is_wanted: impl Fn(&[String]) -> bool) {
        self.children.retain(is_wanted);
    }

    /// Writes the family.
    pub fn expose(&self, out: &mut Exposition) {
        out.family(self.name, Kind::Counter, self.help, |f| {
            self.children.each(|labels, c| f.sample(labels, c.get() as f64));
        });
        self.children.expose_uncounted(out);
    }
}

/// Histograms apart by labels.
#[derive(Debug)]
pub struct HistogramVec {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    children: Children<Histogram>,
}

impl HistogramVec {
    /// A family of histograms with labels of these names.
    pub fn new(
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: &'static [&'static str],
    ) -> Self {
        HistogramVec { name, help, bounds, children: Children::new(name, labels) }
    }

    /// The histogram of these values, in the order of the names.
    pub fn with(&self, values: &[&str]) -> Arc<Histogram> {
        self.children.get(values, || Histogram::new(self.bounds))
    }

    /// Forgets those of whose values, in the order of the names, this does not hold.
    pub fn retain(&self, is_wanted: impl Fn(&[String]) -> bool) {
        self.children.retain(is_wanted);
    }

    /// Writes the family.
    pub fn expose(&self, out: &mut Exposition) {
        out.family(self.name, Kind::Histogram, self.help, |f| {
            self.children.each(|labels, h| {
                let (buckets, sum, count) = h.read();
                f.histogram(labels, &buckets, sum, count);
            });
        });
        self.children.expose_uncounted(out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Collect, Format, Registry};
    use super::*;

    #[test]
    fn instruments_keep_their_label_sets_apart() {
        let requests = CounterVec::new("r_total", "R.", &["code", "handler"]);
        requests.with(&["200", "/a"]).inc();
        requests.with(&["200", "/a"]).add(2);
        requests.with(&["404", "/b"]).inc();
        let durations = HistogramVec::new("d", "D.", &[0.1, 1.0], &["h"]);
        for v in [0.05, 0.1, 0.5, 7.0] {
            durations.with(&["x"]).observe(v);
        }
        let mut out = Exposition::new(Format::Text);
        requests.expose(&mut out);
        durations.expose(&mut out);
        let text = out.finish();
        assert!(text.contains("r_total{code=\"200\",handler=\"/a\"} 3\nr_total{code=\"404\",handler=\"/b\"} 1\n"));
        let buckets = "d_bucket{h=\"x\",le=\"0.1\"} 2\nd_bucket{h=\"x\",le=\"1\"} 3\nd_bucket{h=\"x\",le=\"+Inf\"} 4\n";
        assert!(text.contains(buckets), "{text}");
        assert!(text.contains("d_sum{h=\"x\"} 7.65"), "{text}");
    }

    struct Of(Arc<CounterVec>);

    impl Collect for Of {
        fn collect(&self, out: &mut Exposition) {
            self.0.expose(out);
        }
    }

    #[test]
    fn label_sets_for_which_there_is_no_room_are_counted_until_there_is() {
        let registry = Registry::new();
        let requests = Arc::new(CounterVec::new("r_total", "R.", &["code"]));
        registry.register(Arc::new(Of(requests.clone())));
        let uncounted = "# TYPE watchbell_metrics_uncounted_total counter\n";
        assert!(registry.expose(Format::Text).ends_with(uncounted));
        (0..MAX_CHILDREN + 3).for_each(|i| requests.with(&[&i.to_string()]).inc());
        requests.with(&["7"]).inc();
        let lost = format!("{uncounted}watchbell_metrics_uncounted_total{{metric=\"r_total\"}} 3\n");
        let text = registry.expose(Format::Text);
        assert!(text.ends_with(&lost) && text.contains("r_total{code=\"7\"} 2\n"), "{text}");
        requests.retain(|values| values.iter().all(|code| code.len() < 4));
        requests.with(&["5000"]).inc();
        let text = registry.expose(Format::Text);
        assert!(text.contains("r_total{code=\"5000\"} 1\n") && !text.contains("code=\"1000\""), "{text}");
    }
}
