//! One series of a remote-write request, decoded without copying its labels.

use crate::ingest::histogram_wire::HistogramFields;
use crate::ingest::wire::{Fields, WireError};
use crate::model::FloatHistogram;
use crate::model::histogram::{CounterResetHint, HistogramDefect};

/// A float sample of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatSample {
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp in milliseconds, 0 when unknown.
    pub st: i64,
    /// The value.
    pub v: f64,
}

/// A native histogram sample of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// Milliseconds.
    pub t: i64,
    /// Start timestamp in milliseconds, 0 when unknown.
    pub st: i64,
    /// The value, or why it is none.
    pub h: Result<FloatHistogram, HistogramDefect>,
}

/// An exemplar of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExemplarRow<'a> {
    /// Names and values of its labels, as they came.
    pub labels: Vec<(&'a [u8], &'a [u8])>,
    /// The value.
    pub value: f64,
    /// Milliseconds; 0 when it has none.
    pub t: i64,
}

/// The tag of a label: field 1, length-delimited.
const LABEL_TAG: u8 = 1 << 3 | 2;

/// A series with its samples. Reused from series to series, so that decoding allocates nothing in steady state.
#[derive(Debug, Default)]
pub struct Row<'a> {
    /// The labels of a 1.0 series as they are encoded, in one piece; empty when they are not in one piece, and in 2.0.
    pub key: &'a [u8],
    /// Names and values as they came; of a 1.0 series after [`Row::read_labels`].
    pub labels: Vec<(&'a [u8], &'a [u8])>,
    /// The float samples.
    pub samples: Vec<FloatSample>,
    /// The histogram samples.
    pub histograms: Vec<HistogramSample>,
    /// The exemplars.
    pub exemplars: Vec<ExemplarRow<'a>>,
    /// What a 2.0 request says about the metric.
    pub metadata: Option<RowMetadata<'a>>,
    refs: Vec<u64>,
}

/// Metadata of a 2.0 series.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowMetadata<'a> {
    /// The type's number.
    pub kind: u64,
    /// The help text.
    pub help: &'a str,
    /// The unit.
    pub unit: &'a str,
}

impl<'a> Row<'a> {
    fn clear(&mut self) {
        self.key = &[];
        self.labels.clear();
        self.samples.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata = None;
        self.refs.clear();
    }

    /// Decodes a `prometheus.TimeSeries` (remote write 1.0), its labels only as far as finding where they end.
    pub fn decode_v1(&mut self, message: &'a [u8]) -> Result<(), WireError> {
        self.clear();
        let mut fields = Fields::new(message);
        while fields.rest().first() == Some(&LABEL_TAG) {
            fields.next_field()?;
        }
        self.key = message.get(..message.len() - fields.rest().len()).unwrap_or_default();
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => {
                    self.read_labels()?;
                    self.key = &[];
                    self.labels.push(label_v1(field.bytes()?)?);
                }
                2 => self.samples.push(sample(field.bytes()?, 0)?),
                3 => self.exemplars.push(exemplar_v1(field.bytes()?)?),
                4 => self.histograms.push(histogram(field.bytes()?, 0)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Fills `labels` of a 1.0 series, unless it has been done.
    pub fn read_labels(&mut self) -> Result<(), WireError> {
        if !self.labels.is_empty() {
            return Ok(());
        }
        let mut fields = Fields::new(self.key);
        while let Some(field) = fields.next_field()? {
            self.labels.push(label_v1(field.bytes()?)?);
        }
        Ok(())
    }

    /// Decodes an `io.prometheus.write.v2.TimeSeries` (remote write 2.0).
    pub fn decode_v2(&mut self, message: &'a [u8], symbols: &Symbols<'a>) -> Result<(), SymbolError> {
        self.clear();
        let mut created = 0;
        let mut metadata = None;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => field.varints(&mut self.refs, |n| n)?,
                2 => self.samples.push(sample(field.bytes()?, 0)?),
                3 => self.histograms.push(histogram(field.bytes()?, 0)?),
                4 => self.exemplars.push(exemplar_v2(field.bytes()?, symbols)?),
                5 => metadata = Some(field.bytes()?),
                6 => created = field.i64()?,
                _ => {}
            }
        }
        symbols.resolve(&self.refs, &mut self.labels)?;
        self.metadata = metadata.map(|m| metadata_v2(m, symbols)).transpose()?;
        if created != 0 {
            self.samples.iter_mut().filter(|s| s.st == 0).for_each(|s| s.st = created);
            self.histograms.iter_mut().filter(|s| s.st == 0).for_each(|s| s.st = created);
        }
        Ok(())
    }
}

/// Why a 2.0 series cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolError {
    /// The message is damaged.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// A reference points past the symbol table.
    #[error("labelRefs {0} (name) had no symbol; symbols length is {1}")]
    OutOfRange(u64, usize),
    /// Names and values do not pair up.
    #[error("invalid labelRefs length {0}")]
    OddRefs(usize),
    /// The first symbol is not the empty string.
    #[error("symbols must start with empty string")]
    NoEmptyFirst,
}

/// The symbol table of a 2.0 request.
#[derive(Debug, Default)]
pub struct Symbols<'a>(Vec<&'a [u8]>);

impl<'a> Symbols<'a> {
    /// Adds the next symbol.
    pub fn push(&mut self, symbol: &'a [u8]) {
        self.0.push(symbol);
    }

    /// Checks that the table starts as the specification demands.
    pub fn check(&self) -> Result<(), SymbolError> {
        match self.0.first() {
            None | Some([]) => Ok(()),
            Some(_) => Err(SymbolError::NoEmptyFirst),
        }
    }

    /// Adds the names and values that references stand for.
    fn resolve(&self, refs: &[u64], labels: &mut Vec<(&'a [u8], &'a [u8])>) -> Result<(), SymbolError> {
        let (pairs, rest) = refs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(SymbolError::OddRefs(refs.len()));
        }
        for pair in pairs {
            let [name, value] = pair.map(|r| self.get(r));
            labels.push((name?, value?));
        }
        Ok(())
    }

    fn get(&self, reference: u64) -> Result<&'a [u8], SymbolError> {
        let symbol = usize::try_from(reference).ok().and_then(|i| self.0.get(i)).copied();
        symbol.ok_or(SymbolError::OutOfRange(reference, self.0.len()))
    }
}

fn metadata_v2<'a>(message: &[u8], symbols: &Symbols<'a>) -> Result<RowMetadata<'a>, SymbolError> {
    let text = |n: u64| std::str::from_utf8(symbols.get(n)?).map_err(|_| SymbolError::Wire(WireError::Utf8));
    let mut m = RowMetadata::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => m.kind = field.u64()?,
            3 => m.help = text(field.u64()?)?,
            4 => m.unit = text(field.u64()?)?,
            _ => {}
        }
    }
    Ok(m)
}

#[inline]
fn label_v1(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

#[inline]
fn sample(message: &[u8], st: i64) -> Result<FloatSample, WireError> {
    let mut s = FloatSample { t: 0, st, v: 0.0 };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => s.v = field.f64()?,
            2 => s.t = field.i64()?,
            3 => s.st = field.i64()?,
            _ => {}
        }
    }
    Ok(s)
}

fn exemplar_v1(message: &[u8]) -> Result<ExemplarRow<'_>, WireError> {
    let mut e = ExemplarRow::default();
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => e.labels.push(label_v1(field.bytes()?)?),
            2 => e.value = field.f64()?,
            3 => e.t = field.i64()?,
            _ => {}
        }
    }
    Ok(e)
}

fn exemplar_v2<'a>(message: &[u8], symbols: &Symbols<'a>) -> Result<ExemplarRow<'a>, SymbolError> {
    let (mut e, mut refs) = (ExemplarRow::default(), Vec::new());
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => field.varints(&mut refs, |n| n)?,
            2 => e.value = field.f64()?,
            3 => e.t = field.i64()?,
            _ => {}
        }
    }
    symbols.resolve(&refs, &mut e.labels)?;
    Ok(e)
}

/// A histogram of either protocol: the field numbers are the same, 2.0 adds the start timestamp.
fn histogram(message: &[u8], mut st: i64) -> Result<HistogramSample, WireError> {
    let (mut h, mut t, mut hint) = (HistogramFields::default(), 0, CounterResetHint::Unknown);
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => h.count_mut().set_whole(field.u64()?),
            2 => h.count_mut().set_float(field.f64()?),
            3 => h.sum = field.f64()?,
            4 => h.schema = field.sint()? as i32,
            5 => h.zero_threshold = field.f64()?,
            6 => h.zero_count_mut().set_whole(field.u64()?),
            7 => h.zero_count_mut().set_float(field.f64()?),
            8 => h.negative_spans.push(HistogramFields::span(field.bytes()?)?),
            9 => h.negative_deltas(field)?,
            10 => field.doubles(&mut h.negative_counts)?,
            11 => h.positive_spans.push(HistogramFields::span(field.bytes()?)?),
            12 => h.positive_deltas(field)?,
            13 => field.doubles(&mut h.positive_counts)?,
            14 => hint = reset_hint(field.u64()?),
            15 => t = field.i64()?,
            16 => field.doubles(&mut h.custom_values)?,
            17 => st = field.i64()?,
            _ => {}
        }
    }
    Ok(HistogramSample { t, st, h: h.into_histogram(hint) })
}

fn reset_hint(n: u64) -> CounterResetHint {
    match n {
        1 => CounterResetHint::Reset,
        2 => CounterResetHint::NotReset,
        3 => CounterResetHint::Gauge,
        _ => CounterResetHint::Unknown,
    }
}
