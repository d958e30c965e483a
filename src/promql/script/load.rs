//! `load`: series notation into storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::storage::MemoryStorage;
use crate::model::histogram::ClassicHistogram;
use crate::model::notation::{Content, parse_series};
use crate::model::number::parse_float;
use crate::model::{BUCKET_LABEL, Labels, METRIC_NAME, Value};

/// Most samples one script line may make.
const MAX_SAMPLES: u64 = 10_000_000;

/// A series of a load block: samples by step.
type Loaded = BTreeMap<Labels, Vec<(i64, Value)>>;

/// Loads lines of notation, samples `step` milliseconds apart from time 0. With `nhcb`, classic histograms are there
/// as native ones with custom buckets too.
pub(super) fn load(storage: &mut MemoryStorage, lines: &[&str], step: i64, nhcb: bool) -> Result<(), String> {
    let mut starts: BTreeMap<Labels, Vec<Option<i64>>> = BTreeMap::new();
    let mut loaded: Loaded = BTreeMap::new();
    for line in lines {
        let series = parse_series(line).map_err(|e| format!("{line:?}: {e}"))?;
        match series.content {
            Content::StartTimestamps(times) => {
                starts.insert(series.labels, times.iter().take(MAX_SAMPLES as usize).collect());
            }
            Content::Samples(values) => {
                if values.len() > MAX_SAMPLES {
                    return Err(format!("{line:?}: more than {MAX_SAMPLES} samples"));
                }
                let samples = values.iter().enumerate();
                let timed = samples.filter_map(|(i, v)| Some((i64::try_from(i).ok()?.saturating_mul(step), v?)));
                loaded.entry(series.labels).or_default().extend(timed);
            }
        }
    }
    for (labels, samples) in &loaded {
        let offsets = starts.get(labels);
        for (t, value) in samples {
            let offset = offsets.and_then(|o| o.get(usize::try_from(t / step.max(1)).ok()?).copied().flatten());
            storage.append(labels, *t, offset.map_or(0, |o| t.saturating_add(o)), value.clone());
        }
    }
    if nhcb {
        convert_classic(storage, &loaded)?;
    }
    Ok(())
}

/// Adds to every classic histogram its native form under the name without suffix.
fn convert_classic(storage: &mut MemoryStorage, loaded: &Loaded) -> Result<(), String> {
    let mut histograms: BTreeMap<(Labels, i64), (ClassicHistogram, bool)> = BTreeMap::new();
    for (labels, samples) in loaded {
        let name = labels.metric_name();
        let part = ["_bucket", "_count", "_sum"].iter().find_map(|s| Some((*s, name.strip_suffix(s)?)));
        let Some((suffix, base)) = part else { continue };
        let upper = parse_float(labels.value(BUCKET_LABEL));
        if suffix == "_bucket" && upper.is_none() {
            continue;
        }
        let mut builder = labels.filter(|n| n != BUCKET_LABEL).to_builder();
        builder.set(METRIC_NAME, base);
        let target = builder.build();
        for (t, value) in samples {
            let Some(v) = value.as_float().filter(|_| !value.is_stale()) else { continue };
            let (histogram, has_buckets) = histograms.entry((target.clone(), *t)).or_default();
            match (suffix, upper) {
                ("_bucket", Some(upper)) => {
                    histogram.set_bucket(upper, v);
                    *has_buckets = true;
                }
                ("_count", _) => histogram.set_count(v),
                _ => histogram.set_sum(v),
            }
        }
    }
    for ((labels, t), (histogram, has_buckets)) in histograms {
        if has_buckets {
            // What is no proper histogram at one time leaves no native sample there.
            if let Ok(h) = histogram.convert() {
                storage.append(&labels, t, 0, Value::Histogram(Arc::new(h)));
            }
        }
    }
    Ok(())
}
