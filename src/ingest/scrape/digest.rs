//! From the body of a scrape to samples. A series that was in the scrape before costs one comparison of its text;
//! labels are made, relabelled and checked once.

use std::sync::Arc;

use super::cache::{Entry, SeriesCache};
use super::classic::{ClassicPart, EntryId, Gathering, classify};
use super::settings::{MOST_SAMPLES, ScrapeLimits, ScrapeSettings};
use crate::ingest::exposition::{
    Carried, Event, Format, ParseError, ParseOptions, ParsedExemplar, ParsedValue, Parser, Part,
};
use crate::ingest::relabel;
use crate::ingest::store::SampleRow;
use crate::model::histogram::HistogramDefect;
use crate::model::{FloatHistogram, Labels, METRIC_NAME, Value};
use crate::tsdb::{Exemplar, MetricType};

/// The coarsest exponential schema.
const LOWEST_SCHEMA: i32 = -4;

/// Why a body as a whole is refused. The texts are Prometheus'.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DigestError {
    /// It is not in its format.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// `sample_limit`
    #[error("sample limit exceeded")]
    SampleLimit,
    /// More than is read without a `sample_limit`.
    #[error(
        "sample limit exceeded: more than {MOST_SAMPLES} samples are read only with a sample_limit that allows them"
    )]
    TooManySamples,
    /// `label_limit`, `label_name_length_limit` or `label_value_length_limit`
    #[error("{0}")]
    LabelLimit(String),
    /// A series has no name, or an empty one, after relabelling.
    #[error("missing metric name (__name__ label)")]
    NoName,
    /// Names that `metric_name_validation_scheme` does not allow.
    #[error("invalid metric name or label names: {0}")]
    Names(Labels),
    /// `native_histogram_bucket_limit`
    #[error("histogram bucket limit exceeded")]
    BucketLimit,
    /// A native histogram contradicts itself.
    #[error("{0}")]
    Histogram(#[from] HistogramDefect),
}

/// A sample to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Staged {
    /// The series.
    pub entry: EntryId,
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp in milliseconds, 0 when unknown.
    pub st: i64,
    /// The value.
    pub value: Value,
}

/// What a body holds.
#[derive(Debug, Default)]
pub struct Digest {
    /// The samples to be stored.
    pub samples: Vec<Staged>,
    /// Exemplars to be stored, each with its series.
    pub exemplars: Vec<(EntryId, Exemplar)>,
    /// Samples in the body.
    pub scraped: usize,
    /// Samples left after metric relabelling.
    pub kept: usize,
    /// Series that were not known.
    pub added: usize,
}

/// What a sample may take on its way to the store: staged in a vector that grows by doubling, then as a row of the store.
const SAMPLE_BYTES: usize = 2 * size_of::<Staged>() + size_of::<SampleRow>() + size_of::<EntryId>();
/// What a series that was not known takes besides its text and its labels.
const SERIES_BYTES: usize = 2 * size_of::<Entry>();
/// What a bucket of a histogram takes.
const BUCKET_BYTES: usize = 16;

/// A body on its way from parts to samples.
pub struct Digestion {
    format: Format,
    at: i64,
    carried: Carried,
    previous: Option<EntryId>,
    gathering: Gathering,
    /// How many samples have been read; the buckets of a native histogram count.
    read: u64,
    /// Bytes of what was learnt of series that were not known.
    learnt: usize,
    /// What the body holds, as far as it was read. Of a body that is refused nothing is stored, but its counts are reported.
    pub found: Digest,
}

impl Digestion {
    /// Begins with a body that was scraped at `at`.
    pub fn begin(cache: &mut SeriesCache, format: Format, at: i64) -> Self {
        cache.scrape += 1;
        Digestion {
            format,
            at,
            carried: Carried::default(),
            previous: None,
            gathering: Gathering::default(),
            read: 0,
            learnt: 0,
            found: Digest::default(),
        }
    }

    /// Reads what is complete of the next part, and says how many bytes that is.
    ///
    /// # Errors
    /// The body as a whole is refused.
    pub fn part(
        &mut self,
        cache: &mut SeriesCache,
        settings: &ScrapeSettings,
        target: &Labels,
        part: Part<'_>,
    ) -> Result<usize, DigestError> {
        let options = ParseOptions {
            start_timestamps: settings.start_timestamps,
            type_and_unit_labels: settings.type_and_unit_labels,
            always_classic_histograms: settings.always_scrape_classic_histograms,
            ignore_native_histograms: !settings.scrape_native_histograms,
            classic_to_custom_buckets: settings.convert_classic_histograms_to_nhcb,
        };
        let parser = Parser::of_part(self.format, part, options, std::mem::take(&mut self.carried));
        let mut run = Run { cache, settings, target, body: self };
        let (read, carried) = run.part(parser)?;
        if part.last {
            run.finish()?;
        }
        self.carried = carried;
        Ok(read)
    }

    /// Bytes that are held for the body beside the part that is being read, about.
    pub fn held(&self) -> usize {
        let buckets = usize::try_from(self.read).unwrap_or(usize::MAX).saturating_mul(BUCKET_BYTES);
        (self.found.samples.len() * SAMPLE_BYTES).saturating_add(self.learnt).saturating_add(buckets)
    }
}

/// Reads a body that is here as a whole, scraped at `at`.
///
/// # Errors
/// The body as a whole is refused.
pub fn digest(
    cache: &mut SeriesCache,
    settings: &ScrapeSettings,
    target: &Labels,
    format: Format,
    body: &[u8],
    at: i64,
) -> Result<Digest, DigestError> {
    let mut digestion = Digestion::begin(cache, format, at);
    digestion.part(cache, settings, target, Part { bytes: body, last: true })?;
    Ok(digestion.found)
}

struct Run<'r> {
    cache: &'r mut SeriesCache,
    settings: &'r ScrapeSettings,
    target: &'r Labels,
    body: &'r mut Digestion,
}

impl Run<'_> {
    /// Reads a part up to its end; how many bytes were read, and what the next part has to know.
    fn part(&mut self, mut parser: Parser<'_>) -> Result<(usize, Carried), DigestError> {
        let mut previous = self.body.previous;
        loop {
            let likely = previous.and_then(|p| self.cache.get(p)).map(|entry| entry.next);
            let expected = likely.and_then(|id| self.cache.get(id)).map(|entry| &*entry.key);
            let (known, value, timestamp) = match parser.next(expected)? {
                None => break,
                Some(Event::Metadata(line)) => {
                    self.cache.note_metadata(&line);
                    continue;
                }
                Some(Event::Sample(s)) => {
                    let known = if expected == Some(s.key) { likely } else { self.cache.find(s.key) };
                    (known.ok_or_else(|| s.key.to_vec()), s.value, s.timestamp)
                }
            };
            let id = match known {
                Ok(id) => id,
                Err(key) => self.learn(&parser, &key)?,
            };
            if let Some(entry) = previous.and_then(|p| self.cache.get_mut(p)) {
                entry.next = id;
            }
            previous = Some(id);
            let st = if self.settings.start_timestamps {
                parser.labels().ok().and_then(|labels| parser.start_timestamp(&labels)).unwrap_or(0)
            } else {
                0
            };
            self.sample(id, value, timestamp, st)?;
            for exemplar in parser.take_exemplars() {
                self.exemplar(id, exemplar);
            }
        }
        self.body.previous = previous;
        Ok(parser.end())
    }

    /// At the end of the body: classic histograms that became native ones.
    fn finish(&mut self) -> Result<(), DigestError> {
        for converted in std::mem::take(&mut self.body.gathering).finish() {
            self.body.found.scraped += 1;
            self.stage(converted.entry, Value::Histogram(converted.histogram), converted.timestamp, converted.st)?;
        }
        Ok(())
    }

    /// Takes up a series that has not been seen.
    fn learn(&mut self, parser: &Parser<'_>, key: &[u8]) -> Result<EntryId, DigestError> {
        let exposed = parser.labels()?;
        // The protobuf parser converts by itself.
        let gathers = self.body.format != Format::Protobuf
            && self.settings.convert_classic_histograms_to_nhcb
            && parser.kind() == MetricType::Histogram;
        let mut classic = None;
        if gathers && let Some((histogram, role)) = classify(&exposed, parser.family_name()) {
            classic = Some(ClassicPart { histogram: self.learn_histogram(&histogram)?, role });
            if !self.settings.always_scrape_classic_histograms {
                return Ok(self.insert(key, None, classic));
            }
        }
        let labels = self.stored_labels(&exposed)?;
        Ok(self.insert(key, labels, classic))
    }

    fn insert(&mut self, key: &[u8], labels: Option<Labels>, classic: Option<ClassicPart>) -> EntryId {
        self.body.found.added += usize::from(labels.is_some());
        self.body.learnt += SERIES_BYTES + key.len() + labels.as_ref().map_or(0, |l| l.as_bytes().len());
        self.cache.insert(key, labels, classic)
    }

    /// The entry of the native histogram that classic series become. Its key cannot be the text of a series.
    fn learn_histogram(&mut self, exposed: &Labels) -> Result<EntryId, DigestError> {
        let key = [b"\0", exposed.as_bytes()].concat();
        if let Some(id) = self.cache.find(&key) {
            return Ok(id);
        }
        let labels = self.stored_labels(exposed)?;
        Ok(self.insert(&key, labels, None))
    }

    fn sample(&mut self, id: EntryId, value: ParsedValue, timestamp: Option<i64>, st: i64) -> Result<(), DigestError> {
        let weight = match &value {
            ParsedValue::Float(_) | ParsedValue::Defective(_) => 1,
            ParsedValue::Histogram(h) => h.sample_weight(),
        };
        self.body.read = self.body.read.saturating_add(weight as u64);
        // What relabelling drops takes memory, too: without a limit of the operator's, all that is read is bounded by ours.
        if self.settings.limits.samples == 0 && self.body.read > MOST_SAMPLES {
            return Err(DigestError::TooManySamples);
        }
        if let (Some(part), ParsedValue::Float(v)) = (self.cache.get(id).and_then(|e| e.classic), &value) {
            self.body.gathering.add(part, *v, timestamp, st);
            if !self.settings.always_scrape_classic_histograms {
                let scrape = self.cache.scrape;
                if let Some(entry) = self.cache.get_mut(id) {
                    entry.seen = scrape;
                }
                return Ok(());
            }
        }
        self.body.found.scraped += 1;
        let value = match value {
            ParsedValue::Float(v) => Value::Float(v),
            ParsedValue::Histogram(h) => Value::Histogram(h),
            ParsedValue::Defective(defect) if self.cache.get(id).is_some_and(|e| e.labels.is_some()) => {
                return Err(defect.into());
            }
            ParsedValue::Defective(_) => return Ok(()),
        };
        self.stage(id, value, timestamp, st)
    }

    fn stage(&mut self, id: EntryId, value: Value, timestamp: Option<i64>, st: i64) -> Result<(), DigestError> {
        let scrape = self.cache.scrape;
        let Some(entry) = self.cache.get_mut(id) else { return Ok(()) };
        entry.seen = scrape;
        if entry.labels.is_none() {
            return Ok(());
        }
        entry.tracked =
            timestamp.is_none() || !self.settings.honor_timestamps || self.settings.track_timestamps_staleness;
        self.body.found.kept += 1;
        let limits = &self.settings.limits;
        if limits.samples > 0 && self.body.found.kept as u64 > limits.samples {
            return Err(DigestError::SampleLimit);
        }
        let value = match value {
            Value::Histogram(h) => Value::Histogram(limit_buckets(h, limits)?),
            float => float,
        };
        let t = timestamp.filter(|_| self.settings.honor_timestamps).unwrap_or(self.body.at);
        self.body.found.samples.push(Staged { entry: id, t, st, value });
        Ok(())
    }

    fn exemplar(&mut self, id: EntryId, exemplar: ParsedExemplar) {
        let Some(entry) = self.cache.get(id) else { return };
        // Of a classic series that is not stored, the native histogram that it becomes has it.
        let id = entry.classic.filter(|_| entry.labels.is_none()).map_or(id, |part| part.histogram);
        let ParsedExemplar { labels, value, timestamp } = exemplar;
        self.body.learnt += size_of::<(EntryId, Exemplar)>() + labels.as_bytes().len();
        let (t, has_time) = (timestamp.unwrap_or(self.body.at), timestamp.is_some());
        self.body.found.exemplars.push((id, Exemplar { labels, value, t, has_time }));
    }

    /// The labels a series is stored under, `None` when relabelling drops it.
    fn stored_labels(&self, exposed: &Labels) -> Result<Option<Labels>, DigestError> {
        let merged = with_target_labels(exposed, self.target, self.settings.honor_labels);
        let Some(labels) = relabel::process(&merged, &self.settings.metric_relabel) else { return Ok(None) };
        if !labels.has(METRIC_NAME) {
            return Err(DigestError::NoName);
        }
        let names = self.settings.names;
        let is_valid = |(name, value): (&str, &str)| {
            names.is_label_name(name) && (name != METRIC_NAME || names.is_metric_name(value))
        };
        if !labels.iter().all(is_valid) {
            return Err(DigestError::Names(labels));
        }
        check_limits(&labels, self.settings)?;
        Ok(Some(labels))
    }
}

/// Lowers the resolution to the finest that is wanted, and until the buckets are few enough.
fn limit_buckets(mut h: Arc<FloatHistogram>, limits: &ScrapeLimits) -> Result<Arc<FloatHistogram>, DigestError> {
    if let Some(finest) = finest_schema(limits.min_bucket_factor)
        && !h.uses_custom_buckets()
        && h.schema > finest
    {
        h = Arc::new(h.to_schema(finest));
    }
    let buckets = |h: &FloatHistogram| (h.positive_buckets.len() + h.negative_buckets.len()) as u64;
    while limits.buckets > 0 && buckets(&h) > limits.buckets {
        if h.uses_custom_buckets() || h.schema <= LOWEST_SCHEMA {
            return Err(DigestError::BucketLimit);
        }
        h = Arc::new(h.to_schema(h.schema - 1));
    }
    Ok(h)
}

/// The schema whose buckets grow by `factor`, or by the next smaller step there is (Prometheus' `pickSchema`).
fn finest_schema(factor: f64) -> Option<i32> {
    (factor > 1.0).then(|| -(factor.log2().log2().floor().clamp(-8.0, 4.0) as i32))
}

/// The labels of a sample with those of its target. Where both have a label, the target's wins and the sample's is kept
/// with `exported_` in front; with `honor`, the sample's wins.
pub fn with_target_labels(exposed: &Labels, target: &Labels, honor: bool) -> Labels {
    let mut labels = exposed.to_builder();
    let mut displaced = Vec::new();
    for (name, value) in target {
        match labels.get(name) {
            Some(_) if honor => continue,
            Some(theirs) => displaced.push((name, theirs.to_owned())),
            None => {}
        }
        labels.set(name, value);
    }
    for (name, value) in displaced {
        let mut renamed = format!("exported_{name}");
        while labels.get(&renamed).is_some() {
            renamed.insert_str(0, "exported_");
        }
        labels.set(renamed, value);
    }
    labels.build()
}

fn check_limits(labels: &Labels, settings: &ScrapeSettings) -> Result<(), DigestError> {
    let limits = &settings.limits;
    let over = |n: usize, limit: u64| limit > 0 && n as u64 > limit;
    let cut = |s: &str| s.chars().take(50).collect::<String>();
    let metric = || cut(labels.metric_name());
    let count = labels.len();
    if over(count, limits.labels) {
        return Err(DigestError::LabelLimit(format!(
            "label_limit exceeded (metric: {}, number of labels: {count}, limit: {})",
            metric(),
            limits.labels
        )));
    }
    for (name, value) in labels {
        if over(name.len(), limits.label_name_length) {
            return Err(DigestError::LabelLimit(format!(
                "label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})",
                metric(),
                cut(name),
                name.len(),
                limits.label_name_length
            )));
        }
        if over(value.len(), limits.label_value_length) {
            return Err(DigestError::LabelLimit(format!(
                "label_value_length_limit exceeded (metric: {}, label name: {}, value: {:?}, length: {}, limit: {})",
                metric(),
                cut(name),
                cut(value),
                value.len(),
                limits.label_value_length
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
