//! Native histograms as protobuf carries them, in scrapes and in remote write: counts as floats or as deltas.

use super::wire::{Field, Fields, WireError, WireValue, WireWriter, unzigzag};
use crate::model::histogram::{CounterResetHint, HistogramDefect, Span};
use crate::model::{FloatHistogram, is_stale};

/// The numbers of a message's fields. Of counts the first is for whole ones, the second for floats; of buckets the spans, the
/// differences of whole counts, and counts as floats.
pub struct Numbers {
    count: [u32; 2],
    sum: u32,
    schema: u32,
    zero_threshold: u32,
    zero_count: [u32; 2],
    negative: [u32; 3],
    positive: [u32; 3],
}

/// Those of `prometheus.Histogram`: remote write and remote read.
pub const REMOTE: Numbers = Numbers {
    count: [1, 2],
    sum: 3,
    schema: 4,
    zero_threshold: 5,
    zero_count: [6, 7],
    negative: [8, 9, 10],
    positive: [11, 12, 13],
};

/// Those of `io.prometheus.client.Histogram`: scrapes.
pub const CLIENT: Numbers = Numbers {
    count: [1, 4],
    sum: 2,
    schema: 5,
    zero_threshold: 6,
    zero_count: [7, 8],
    negative: [9, 10, 11],
    positive: [12, 13, 14],
};

/// How counts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// As floats, all of them: a Prometheus that is written histograms of both kinds of one series at once loses some.
    Floats,
    /// As whole numbers where they are: there are readers that know no others.
    WholeWherePossible,
}

/// Writes what both messages have.
pub fn write(w: &mut WireWriter, h: &FloatHistogram, numbers: &Numbers, counts: Counts) {
    let adds_up = || h.zero_count + h.positive_buckets.iter().chain(&h.negative_buckets).sum::<f64>() == h.count;
    let may_be_whole = counts == Counts::WholeWherePossible && !is_stale(h.sum) && adds_up();
    let whole = if may_be_whole { h.to_integer() } else { None };
    w.double(numbers.sum, h.sum);
    w.sint(numbers.schema, i64::from(h.schema));
    w.double(numbers.zero_threshold, h.zero_threshold);
    match &whole {
        Some(whole) => {
            w.uint(numbers.count[0], whole.count);
            w.uint(numbers.zero_count[0], whole.zero_count);
        }
        None => {
            w.double(numbers.count[1], h.count);
            w.double(numbers.zero_count[1], h.zero_count);
        }
    }
    let mut side = |[spans, deltas, counts]: [u32; 3], of: &[Span], whole: Option<&[i64]>, buckets: &[f64]| {
        for span in of {
            w.message(spans, |w| {
                w.sint(1, i64::from(span.offset));
                w.uint(2, u64::from(span.length));
            });
        }
        match whole {
            Some(differences) => w.sints(deltas, differences),
            None => w.doubles(counts, buckets),
        }
    };
    let (negative, positive) = match &whole {
        Some(whole) => (Some(&*whole.negative_deltas), Some(&*whole.positive_deltas)),
        None => (None, None),
    };
    side(numbers.negative, &h.negative_spans, negative, &h.negative_buckets);
    side(numbers.positive, &h.positive_spans, positive, &h.positive_buckets);
}

/// The fields of a native histogram as they come.
#[derive(Clone, Debug, Default)]
pub struct HistogramFields {
    /// Sum of the observations.
    pub sum: f64,
    /// Resolution.
    pub schema: i32,
    /// Width of the zero bucket.
    pub zero_threshold: f64,
    /// Spans of the negative buckets.
    pub negative_spans: Vec<Span>,
    /// Counts of the negative buckets of a float histogram.
    pub negative_counts: Vec<f64>,
    /// Spans of the positive buckets.
    pub positive_spans: Vec<Span>,
    /// Counts of the positive buckets of a float histogram.
    pub positive_counts: Vec<f64>,
    /// Bounds of custom buckets.
    pub custom_values: Vec<f64>,
    negative: Vec<i64>,
    positive: Vec<i64>,
    count: Number,
    zero_count: Number,
}

/// A number that comes in a field of whole numbers or in one of floats. Clients may write both of them: the float counts
/// unless it is zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number {
    whole: u64,
    float: f64,
}

impl Number {
    /// What the field of whole numbers holds.
    pub fn set_whole(&mut self, n: u64) {
        self.whole = n;
    }

    /// What the field of floats holds.
    pub fn set_float(&mut self, n: f64) {
        self.float = n;
    }

    /// The number.
    pub fn value(self) -> f64 {
        if self.is_float() { self.float } else { self.whole as f64 }
    }

    fn is_float(self) -> bool {
        self.float != 0.0
    }
}

/// The most buckets one side of a histogram may claim: far above what any schema yields in practice.
const MAX_BUCKETS: usize = 1 << 16;

impl HistogramFields {
    /// The observations, to be set.
    pub fn count_mut(&mut self) -> &mut Number {
        &mut self.count
    }

    /// The observations in the zero bucket, to be set.
    pub fn zero_count_mut(&mut self) -> &mut Number {
        &mut self.zero_count
    }

    /// The observations.
    pub fn count(&self) -> f64 {
        self.count.value()
    }

    /// Reads a `BucketSpan`.
    pub fn span(message: &[u8]) -> Result<Span, WireError> {
        let mut span = Span::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => span.offset = field.sint()? as i32,
                2 => span.length = u32::try_from(field.u64()?).map_err(|_| WireError::Overlong)?,
                _ => {}
            }
        }
        Ok(span)
    }

    /// Reads deltas of the negative buckets.
    pub fn negative_deltas(&mut self, field: Field<'_>) -> Result<(), WireError> {
        deltas(field, &mut self.negative)
    }

    /// Reads deltas of the positive buckets.
    pub fn positive_deltas(&mut self, field: Field<'_>) -> Result<(), WireError> {
        deltas(field, &mut self.positive)
    }

    /// Whether a scraped histogram has a native part beside, or instead of, its classic buckets.
    pub fn has_native_part(&self) -> bool {
        !self.positive_spans.is_empty()
            || !self.negative_spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero_count.value() > 0.0
    }

    /// Whether all counts are whole numbers, which then have to add up.
    fn is_whole(&self) -> bool {
        let has_float_buckets = !self.positive_counts.is_empty() || !self.negative_counts.is_empty();
        !has_float_buckets && !self.count.is_float() && !self.zero_count.is_float()
    }

    /// The histogram, in a resolution that is stored.
    ///
    /// # Errors
    /// It contradicts itself.
    pub fn into_histogram(self, counter_reset_hint: CounterResetHint) -> Result<FloatHistogram, HistogramDefect> {
        let is_whole = self.is_whole();
        let (count, zero_count) = (self.count.value(), self.zero_count.value());
        let positive_buckets = absolute(self.positive_counts, &self.positive);
        let negative_buckets = absolute(self.negative_counts, &self.negative);
        if positive_buckets.len().max(negative_buckets.len()) > MAX_BUCKETS {
            return Err(HistogramDefect::TooManyBuckets(MAX_BUCKETS));
        }
        let h = FloatHistogram {
            counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count,
            count,
            sum: self.sum,
            positive_spans: self.positive_spans,
            negative_spans: self.negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: self.custom_values,
        };
        let h = h.admitted()?;
        if is_whole {
            h.validate_total()?;
        }
        Ok(h)
    }
}

/// Reads deltas, of which each takes up to ten bytes and may take one.
fn deltas(field: Field<'_>, out: &mut Vec<i64>) -> Result<(), WireError> {
    let packed = if let WireValue::Bytes(bytes) = field.value { bytes.len() / 10 } else { 0 };
    if packed > MAX_BUCKETS || out.len() > MAX_BUCKETS {
        return Err(WireError::TooMany(MAX_BUCKETS));
    }
    field.varints(out, unzigzag)
}

/// Absolute counts, from themselves or from deltas.
fn absolute(counts: Vec<f64>, deltas: &[i64]) -> Vec<f64> {
    if !counts.is_empty() {
        return counts;
    }
    let mut n = 0i64;
    deltas
        .iter()
        .map(|d| {
            n = n.wrapping_add(*d);
            n as f64
        })
        .collect()
}
