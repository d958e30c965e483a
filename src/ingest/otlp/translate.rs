//! From OTLP's points to samples, as Prometheus translates them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::deltas::{Cumulative, Deltas};
use super::message::{Attributes, Kind, Metric, OtlpExemplar, Point, PointValue, Scope, Temporality};
use super::message::{attributes, scope, submessages};
use super::names::{LabelNames, Shape, TranslationStrategy, label_name, metric_name};
use crate::config::OtlpConfig;
use crate::ingest::remote_write::{WriteError, Written};
use crate::ingest::wire::WireError;
use crate::model::histogram::{ClassicError, ClassicHistogram, CounterResetHint, Span};
use crate::model::stale::STALE_NAN;
use crate::model::{BUCKET_LABEL, FloatHistogram, Labels, METRIC_NAME, QUANTILE_LABEL, Value};
use crate::tsdb::{AppendError, Appender, Exemplar, MAX_EXEMPLAR_CHARS, Metadata, MetricType, Tsdb};

/// The finest schema of native histograms; points of a finer scale are made coarser.
const FINEST: i32 = 8;
/// The coarsest.
const COARSEST: i32 = -4;
/// The width of the zero bucket, which OTLP's points do not tell.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Buckets of one side of a histogram.
const MOST_BUCKETS: usize = 1 << 16;
/// Samples later than this after now are refused.
const MAX_AHEAD_MS: i64 = 10 * 60_000;

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// Which attributes of a resource become labels of its series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promoted {
    /// These.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

impl Default for Promoted {
    fn default() -> Self {
        Promoted::Only(Vec::new())
    }
}

/// Prometheus' `otlp` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpSettings {
    /// Attributes of resources that become labels.
    pub promoted: Promoted,
    /// What becomes of names.
    pub strategy: TranslationStrategy,
    /// What becomes of the names of attributes.
    pub label_names: LabelNames,
    /// Whether `target_info` keeps the attributes that `job` and `instance` are made of.
    pub keep_identifying: bool,
    /// Whether histograms with bounds become native ones with custom buckets.
    pub to_custom_buckets: bool,
    /// Whether the scope becomes labels.
    pub promote_scope: bool,
    /// What becomes of deltas.
    pub deltas: Deltas,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        let label_names =
            LabelNames { escapes: true, underscore_sanitization: true, preserve_multiple_underscores: true };
        OtlpSettings {
            promoted: Promoted::default(),
            strategy: TranslationStrategy::default(),
            label_names,
            keep_identifying: false,
            to_custom_buckets: false,
            promote_scope: false,
            deltas: Deltas::LeaveOut,
        }
    }
}

impl OtlpSettings {
    /// The settings a configuration states; features say what becomes of deltas.
    pub fn from_config(config: &OtlpConfig, deltas: Deltas) -> Self {
        let known = TranslationStrategy::ALL.into_iter().find(|(name, _)| *name == config.translation_strategy);
        let strategy = known.map_or_else(TranslationStrategy::default, |(_, strategy)| strategy);
        OtlpSettings {
            promoted: match config.promote_all_resource_attributes {
                true => Promoted::AllBut(config.ignore_resource_attributes.clone()),
                false => Promoted::Only(config.promote_resource_attributes.clone()),
            },
            strategy,
            label_names: LabelNames {
                escapes: strategy.escapes(),
                underscore_sanitization: config.label_name_underscore_sanitization,
                preserve_multiple_underscores: config.label_name_preserve_multiple_underscores,
            },
            keep_identifying: config.keep_identifying_resource_attributes,
            to_custom_buckets: config.convert_histograms_to_nhcb,
            promote_scope: config.promote_scope_metadata,
            deltas,
        }
    }
}

/// Decodes an `ExportMetricsServiceRequest` and stores its samples: all of them or none, but for those that are out of order
/// within the request. Metrics that cannot be translated
/// (deltas, unless the settings say what becomes of them; scales that are too coarse) are left out, which is told in the log, as in Prometheus.
///
/// # Errors
/// 400 for a message that does not read as one, and for samples that cannot be stored; 500 when the store fails.
pub fn receive(
    tsdb: &Tsdb,
    (settings, cumulative): (&OtlpSettings, &Cumulative),
    now: i64,
    message: &[u8],
) -> Result<Written, WriteError> {
    let mut translation = Translation {
        tsdb,
        settings,
        cumulative,
        now,
        appender: tsdb.appender(),
        latest_allowed: now.saturating_add(MAX_AHEAD_MS),
        written: Written::default(),
        left_out: Vec::new(),
    };
    translation.request(message)?;
    if let Some(first) = translation.left_out.first() {
        let metrics = translation.left_out.len();
        tracing::debug!(metrics, first, "metrics of an OTLP request were left out");
    }
    let done = translation.appender.commit().map_err(|e| WriteError::new(500, e.to_string()))?;
    if done.rejected > 0 {
        let text = format!("{} samples out of order within the request, of which the others are stored", done.rejected);
        return Err(WriteError::new(400, text));
    }
    Ok(translation.written)
}

/// A label set as it is put together: the first to name a label has it, but for what is joined.
type Pairs = BTreeMap<String, String>;

/// What series have in common.
struct Common {
    /// Labels that points of the resource get where they have none of that name.
    promoted: Pairs,
    job: Option<String>,
    instance: Option<String>,
    /// The times of the first and the last sample.
    span: Option<(i64, i64)>,
}

struct Translation<'t> {
    tsdb: &'t Tsdb,
    settings: &'t OtlpSettings,
    /// Deltas that came before.
    cumulative: &'t Cumulative,
    now: i64,
    appender: Appender<'t>,
    latest_allowed: i64,
    written: Written,
    /// Why metrics were left out.
    left_out: Vec<String>,
}

fn damaged(e: WireError) -> WriteError {
    WriteError::new(400, format!("OTLP message: {e}"))
}

impl Translation<'_> {
    fn request(&mut self, message: &[u8]) -> Result<(), WriteError> {
        for resource_metrics in submessages(message, 1).map_err(damaged)? {
            let mut resource = Attributes::new();
            for message in submessages(resource_metrics, 1).map_err(damaged)? {
                resource.extend(attributes(message, 1).map_err(damaged)?);
            }
            let mut common = self.common(&resource);
            for scope_metrics in submessages(resource_metrics, 2).map_err(damaged)? {
                let scope = scope(scope_metrics).map_err(damaged)?;
                for metric in submessages(scope_metrics, 2).map_err(damaged)? {
                    if let Some(metric) = Metric::read(metric).map_err(damaged)? {
                        self.metric(metric, &scope, &mut common)?;
                    }
                }
            }
            self.target_info(&resource, &common)?;
        }
        Ok(())
    }

    fn common(&self, resource: &Attributes) -> Common {
        let value = |name: &str| resource.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let job = value(SERVICE_NAME).map(|name| match value(SERVICE_NAMESPACE) {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name,
        });
        let is_promoted = |name: &String| match &self.settings.promoted {
            Promoted::Only(names) => names.contains(name),
            Promoted::AllBut(names) => !names.contains(name),
        };
        let mut promoted = Pairs::new();
        for (name, value) in resource.iter().filter(|(name, _)| is_promoted(name)) {
            self.join(&mut promoted, name, value);
        }
        Common { promoted, job, instance: value(SERVICE_INSTANCE), span: None }
    }

    /// Adds an attribute. Where escaping makes two names one, their values are joined.
    fn join(&self, pairs: &mut Pairs, name: &str, value: &str) {
        let name = label_name(name, self.settings.label_names);
        match pairs.get_mut(&*name) {
            Some(there) => {
                there.push(';');
                there.push_str(value);
            }
            None => _ = pairs.insert(name.into_owned(), value.to_owned()),
        }
    }

    /// The labels of a point's series, without a name.
    fn pairs(&self, point: &Point, scope: &Scope, common: &Common) -> Pairs {
        let mut pairs = Pairs::new();
        let mut own: Vec<&(String, String)> = point.attributes.iter().collect();
        own.sort();
        own.iter().for_each(|(name, value)| self.join(&mut pairs, name, value));
        for (name, value) in &common.promoted {
            pairs.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if self.settings.promote_scope {
            let named = [("name", &scope.name), ("version", &scope.version), ("schema_url", &scope.schema_url)];
            named.iter().for_each(|(name, value)| _ = pairs.insert(format!("otel_scope_{name}"), (*value).clone()));
            for (name, value) in &scope.attributes {
                self.join(&mut pairs, &format!("otel_scope_{name}"), value);
            }
        }
        let identity = [("job", &common.job), ("instance", &common.instance)];
        for (name, value) in identity.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            pairs.insert(name.to_owned(), value.clone());
        }
        pairs
    }

    fn metric(&mut self, mut metric: Metric<'_>, scope: &Scope, common: &mut Common) -> Result<(), WriteError> {
        let has_temporality = !matches!(metric.kind, Kind::Gauge | Kind::Summary);
        let is_delta = has_temporality && metric.temporality == Temporality::Delta;
        let is_taken = match metric.temporality {
            Temporality::Cumulative => true,
            Temporality::Delta => self.settings.deltas != Deltas::LeaveOut,
            Temporality::Unspecified => false,
        };
        if has_temporality && !is_taken {
            let text = format!("invalid temporality and type combination for metric {:?}", metric.name);
            self.left_out.push(text);
            return Ok(());
        }
        let (shape, kind) = match metric.kind {
            Kind::Gauge => (Shape::Gauge, MetricType::Gauge),
            Kind::Sum { is_monotonic: false } => (Shape::Other, MetricType::Gauge),
            Kind::Sum { is_monotonic: true } => (Shape::Counter, MetricType::Counter),
            Kind::Histogram | Kind::Exponential => (Shape::Other, MetricType::Histogram),
            Kind::Summary => (Shape::Other, MetricType::Summary),
        };
        let name = metric_name(metric.name, metric.unit, shape, self.settings.strategy);
        if name.is_empty() {
            self.left_out.push("a metric without a name".to_owned());
            return Ok(());
        }
        // There is no type for what is counted anew each time.
        let is_raw = is_delta && self.settings.deltas == Deltas::Keep;
        let kind = if is_raw { MetricType::Unknown } else { kind };
        let metadata = Metadata { kind, help: metric.description.to_owned(), unit: metric.unit.to_owned() };
        self.tsdb.set_metadata(&name, metadata);
        while let Some((mut point, mut value)) = metric.next_point().map_err(damaged)? {
            let (from, to) = common.span.unwrap_or((point.t, point.t));
            common.span = Some((from.min(point.t), to.max(point.t)));
            let pairs = self.pairs(&point, scope, common);
            if is_raw {
                // Where it began is where the one before ended.
                point.start = 0;
            } else if is_delta {
                let stream = stream(&name, &pairs, scope);
                value = match self.cumulative.add(stream, self.now, &mut point, value) {
                    Ok(sum) => sum,
                    Err(why) => {
                        self.left_out.push(format!("{name}: {why}"));
                        continue;
                    }
                };
            }
            self.point((&name, is_raw), &pairs, point, value)?;
        }
        Ok(())
    }

    fn point(
        &mut self,
        (name, is_raw): (&str, bool),
        pairs: &Pairs,
        point: Point,
        value: PointValue,
    ) -> Result<(), WriteError> {
        // What is counted anew each time is no counter that was reset.
        let hint = if is_raw { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
        let known = |v: f64| if point.is_missing { STALE_NAN } else { v };
        match value {
            PointValue::Number(v) => {
                let labels = labels(name, pairs, None);
                self.add(&labels, &point, Value::Float(known(v)), &point.exemplars)
            }
            PointValue::Histogram { count, sum, counts, bounds } if self.settings.to_custom_buckets => {
                let labels = labels(name, pairs, None);
                let mut h = match with_custom_buckets(count, sum, &counts, &bounds) {
                    Ok(h) => h,
                    Err(why) => {
                        self.left_out.push(format!("the buckets of {name:?} are no histogram: {why}"));
                        return Ok(());
                    }
                };
                h.counter_reset_hint = hint;
                if point.is_missing {
                    h = stale_histogram();
                }
                self.add(&labels, &point, Value::Histogram(Arc::new(h)), &point.exemplars)
            }
            PointValue::Histogram { count, sum, counts, bounds } => {
                self.classic(name, pairs, &point, (count, sum), &counts, &bounds)
            }
            PointValue::Exponential { scale, .. } if scale < COARSEST => {
                self.left_out.push(format!("the scale of {name:?}, {scale}, is coarser than {COARSEST}"));
                Ok(())
            }
            PointValue::Exponential { count, sum, scale, zero_count, positive, negative } => {
                let (Some(positive), Some(negative)) = (side(positive), side(negative)) else {
                    self.left_out.push(format!("{name:?} has more than {MOST_BUCKETS} buckets"));
                    return Ok(());
                };
                let h = FloatHistogram {
                    counter_reset_hint: hint,
                    schema: scale,
                    zero_threshold: ZERO_THRESHOLD,
                    zero_count: zero_count as f64,
                    count: count as f64,
                    sum: sum.unwrap_or(0.0),
                    positive_spans: positive.0,
                    positive_buckets: positive.1,
                    negative_spans: negative.0,
                    negative_buckets: negative.1,
                    custom_values: Vec::new(),
                };
                let h = if scale > FINEST { h.to_schema(FINEST) } else { h };
                let h = if point.is_missing { stale_histogram() } else { h };
                self.add(&labels(name, pairs, None), &point, Value::Histogram(Arc::new(h)), &point.exemplars)
            }
            PointValue::Summary { count, sum, quantiles } => {
                let mut all = vec![(format!("{name}_sum"), None, sum), (format!("{name}_count"), None, count as f64)];
                let quantile = |(q, v): (f64, f64)| (name.to_owned(), Some((QUANTILE_LABEL, q)), v);
                all.extend(quantiles.into_iter().map(quantile));
                all.into_iter().try_for_each(|(name, extra, v)| {
                    self.add(&labels(&name, pairs, extra), &point, Value::Float(known(v)), &[])
                })
            }
        }
    }

    fn classic(
        &mut self,
        name: &str,
        pairs: &Pairs,
        point: &Point,
        (count, sum): (u64, Option<f64>),
        counts: &[u64],
        bounds: &[f64],
    ) -> Result<(), WriteError> {
        let known = |v: f64| Value::Float(if point.is_missing { STALE_NAN } else { v });
        if let Some(sum) = sum {
            self.add(&labels(&format!("{name}_sum"), pairs, None), point, known(sum), &[])?;
        }
        self.add(&labels(&format!("{name}_count"), pairs, None), point, known(count as f64), &[])?;
        let (bucket, mut cumulative, mut below) = (format!("{name}_bucket"), 0u64, f64::NEG_INFINITY);
        let last = [f64::INFINITY];
        for (i, bound) in bounds.iter().chain(&last).enumerate() {
            cumulative = cumulative.saturating_add(counts.get(i).copied().unwrap_or(0));
            let value = if *bound == f64::INFINITY { count } else { cumulative };
            let own: Vec<OtlpExemplar> =
                point.exemplars.iter().filter(|e| below < e.value && e.value <= *bound).cloned().collect();
            let labels = labels(&bucket, pairs, Some((BUCKET_LABEL, *bound)));
            self.add(&labels, point, known(value as f64), &own)?;
            below = *bound;
        }
        Ok(())
    }

    /// What is known of the resource, as a series of its own.
    fn target_info(&mut self, resource: &Attributes, common: &Common) -> Result<(), WriteError> {
        let Some((_, t)) = common.span else { return Ok(()) };
        let identifies = |name: &str| [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE].contains(&name);
        let has_identity = common.job.is_some() || common.instance.is_some();
        if !has_identity || resource.iter().all(|(name, _)| identifies(name)) {
            return Ok(());
        }
        let mut pairs = Pairs::new();
        for (name, value) in resource.iter().filter(|(n, _)| self.settings.keep_identifying || !identifies(n)) {
            self.join(&mut pairs, name, value);
        }
        for (name, value) in [("job", &common.job), ("instance", &common.instance)] {
            value.iter().for_each(|value| _ = pairs.insert(name.to_owned(), (*value).clone()));
        }
        let point = Point { t, ..Point::default() };
        self.add(&labels("target_info", &pairs, None), &point, Value::Float(1.0), &[])
    }

    fn add(
        &mut self,
        labels: &Labels,
        point: &Point,
        value: Value,
        exemplars: &[OtlpExemplar],
    ) -> Result<(), WriteError> {
        let refused = |why: String| WriteError::new(400, format!("{why} for series {labels}"));
        if point.t > self.latest_allowed {
            return Err(refused("out of bounds: timestamp is too far in the future".into()));
        }
        if let Value::Histogram(h) = &value {
            h.validate().and_then(|()| h.validate_total()).map_err(|defect| refused(defect.to_string()))?;
        }
        let is_histogram = matches!(value, Value::Histogram(_));
        let status = |e: AppendError| match e {
            AppendError::SeriesLimit => WriteError::new(500, e.to_string()),
            e => refused(e.to_string()),
        };
        let series = self.appender.append_with_st(labels, point.start, point.t, value).map_err(status)?;
        self.written.histograms += u64::from(is_histogram);
        self.written.samples += u64::from(!is_histogram);
        for e in exemplars {
            let exemplar = Exemplar { labels: self.exemplar_labels(e), value: e.value, t: e.t, has_time: e.t != 0 };
            match self.appender.append_exemplar(series, exemplar) {
                Ok(()) => self.written.exemplars += 1,
                Err(e) => tracing::debug!(error = %e, "an exemplar of an OTLP request was not taken"),
            }
        }
        Ok(())
    }
}

impl Translation<'_> {
    /// The labels of an exemplar. Where all are too long, the ids of trace and span are what is kept.
    fn exemplar_labels(&self, e: &OtlpExemplar) -> Labels {
        let all = || e.ids.iter().chain(&e.attributes);
        let chars: usize = all().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
        let kept = if chars > MAX_EXEMPLAR_CHARS { e.ids.len() } else { usize::MAX };
        let name = |name: &str| label_name(name, self.settings.label_names).into_owned();
        Labels::from_pairs(all().take(kept).map(|(n, value)| (name(n), value.clone())))
    }
}

/// What tells a series of deltas from others: that of its labels, and who measured.
fn stream(name: &str, pairs: &Pairs, scope: &Scope) -> Labels {
    let mut all = pairs.clone();
    for (name, value) in [(METRIC_NAME, name), ("__scope_name__", &scope.name), ("__scope_version__", &scope.version)] {
        all.insert(name.to_owned(), value.to_owned());
    }
    Labels::from_sorted(all.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(_, v)| !v.is_empty()))
}

/// A label set with a name, and a label whose value is a number.
fn labels(name: &str, pairs: &Pairs, extra: Option<(&str, f64)>) -> Labels {
    let mut all = pairs.clone();
    all.insert(METRIC_NAME.to_owned(), name.to_owned());
    if let Some((name, value)) = extra {
        all.insert(name.to_owned(), number_text(value));
    }
    Labels::from_sorted(all.iter().map(|(n, v)| (n.as_str(), v.as_str())).filter(|(_, v)| !v.is_empty()))
}

/// A bound or a quantile as Prometheus writes it into a label.
fn number_text(v: f64) -> String {
    match v {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        v => v.to_string(),
    }
}

/// One side of a histogram as a span and its buckets; `None` when there are too many. OTLP's buckets include their upper
/// bound as ours do, but are counted from one less.
fn side((offset, counts): (i32, Vec<u64>)) -> Option<(Vec<Span>, Vec<f64>)> {
    if counts.is_empty() {
        return Some((Vec::new(), Vec::new()));
    }
    let length = u32::try_from(counts.len()).ok().filter(|n| *n as usize <= MOST_BUCKETS)?;
    let span = Span { offset: offset.checked_add(1)?, length };
    Some((vec![span], counts.into_iter().map(|n| n as f64).collect()))
}

fn with_custom_buckets(
    count: u64,
    sum: Option<f64>,
    counts: &[u64],
    bounds: &[f64],
) -> Result<FloatHistogram, ClassicError> {
    let mut classic = ClassicHistogram::default();
    let mut cumulative = 0u64;
    for (bound, n) in bounds.iter().zip(counts) {
        cumulative = cumulative.saturating_add(*n);
        classic.set_bucket(*bound, cumulative as f64);
    }
    let all = counts.iter().fold(0u64, |sum, n| sum.saturating_add(*n));
    classic.set_bucket(f64::INFINITY, if counts.is_empty() { count } else { all } as f64);
    classic.set_count(count as f64);
    classic.set_sum(sum.unwrap_or(0.0));
    classic.convert()
}

fn stale_histogram() -> FloatHistogram {
    FloatHistogram { sum: STALE_NAN, ..FloatHistogram::default() }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
