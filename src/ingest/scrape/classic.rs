//! Gathers the series of classic histograms while a text body is read, and makes native histograms of them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::histogram::ClassicHistogram;
use crate::model::{BUCKET_LABEL, FloatHistogram, Labels, METRIC_NAME, number};

/// What a series is to its classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    Bucket(f64),
    Sum,
    Count,
}

/// A series' place in a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClassicPart {
    /// The entry of the native histogram it becomes part of.
    pub histogram: EntryId,
    pub role: Role,
}

/// Reads a series' role from its labels as exposed, and the labels of the histogram it belongs to. `None` when it is no
/// series of the family of histograms that was announced.
pub(super) fn classify(labels: &Labels, family: &str) -> Option<(Labels, Role)> {
    let name = labels.metric_name();
    let (base, role) = if let Some(base) = name.strip_suffix("_bucket") {
        (base, Role::Bucket(number::parse_float(labels.get(BUCKET_LABEL)?).filter(|bound| !bound.is_nan())?))
    } else if let Some(base) = name.strip_suffix("_sum") {
        (base, Role::Sum)
    } else {
        (name.strip_suffix("_count")?, Role::Count)
    };
    if base != family {
        return None;
    }
    let mut builder = labels.to_builder();
    builder.set(METRIC_NAME, base).remove(BUCKET_LABEL);
    Some((builder.build(), role))
}

#[derive(Debug)]
struct Gathered {
    parts: ClassicHistogram,
    timestamp: Option<i64>,
    st: i64,
}

/// A native histogram made of the classic series of one scrape.
pub(super) struct Converted {
    pub entry: EntryId,
    pub timestamp: Option<i64>,
    pub st: i64,
    pub histogram: Arc<FloatHistogram>,
}

/// The classic histograms of one body, as far as it is read.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    by_entry: HashMap<EntryId, Gathered>,
    order: Vec<EntryId>,
}

impl Gathering {
    pub fn add(&mut self, part: ClassicPart, value: f64, timestamp: Option<i64>, st: i64) {
        let gathered = self.by_entry.entry(part.histogram).or_insert_with(|| {
            self.order.push(part.histogram);
            Gathered { parts: ClassicHistogram::default(), timestamp, st }
        });
        match part.role {
            Role::Bucket(bound) => gathered.parts.set_bucket(bound, value),
            Role::Sum => gathered.parts.set_sum(value),
            Role::Count => gathered.parts.set_count(value),
        }
    }

    /// The histograms in the order of their first series; those whose parts contradict each other are left out.
    pub fn finish(mut self) -> impl Iterator<Item = Converted> {
        self.order.into_iter().filter_map(move |entry| {
            let Gathered { parts, timestamp, st } = self.by_entry.remove(&entry)?;
            let histogram = Arc::new(parts.convert().ok()?);
            Some(Converted { entry, timestamp, st, histogram })
        })
    }
}

/// Names an entry of a [`SeriesCache`] as long as the entry lives.
pub type EntryId = u32;
