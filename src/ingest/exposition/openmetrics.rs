//! OpenMetrics 1.0 text.

use rustc_hash::FxHashMap;

use super::cursor::{Cursor, starts_metric_name, take_metric_name, take_series_text};
use super::event::{
    Event, MetadataLine, ParseError, ParseOptions, ParsedExemplar, ParsedSample, ParsedValue, parse_kind,
};
use super::number;
use super::part::{Carried, Part};
use super::series::{self, SeriesContext, unescape};
use super::text::family_name;
use crate::model::{BUCKET_LABEL, Labels, METRIC_NAME, QUANTILE_LABEL};
use crate::tsdb::MetricType;

/// A parser of OpenMetrics text.
pub struct OpenMetricsParser<'a> {
    c: Cursor<'a>,
    options: ParseOptions,
    family: String,
    kind: MetricType,
    unit: String,
    series: (usize, usize),
    /// Of the current sample.
    exemplar: Option<ParsedExemplar>,
    /// Created timestamps of the current family by the labels of its metrics; filled when first asked for.
    created: Option<FxHashMap<Labels, i64>>,
    /// `# EOF` was read.
    ended: bool,
    /// Whether the body ends with this part.
    last: bool,
}

/// A family's created timestamps are looked for ahead, so that parts end where a family does, unless a family is longer
/// than this: it then goes without those that come in a later part than their samples.
const LONGEST_FAMILY: usize = 16 << 20;

/// A part as far as its families are complete, up to the last line of metadata.
fn whole_families(part: Part<'_>) -> Part<'_> {
    if part.last || part.bytes.len() > LONGEST_FAMILY {
        return part;
    }
    let end = part.bytes.windows(3).rposition(|w| w == b"\n# ").map_or(0, |at| at + 1);
    Part { bytes: part.bytes.get(..end).unwrap_or_default(), last: false }
}

impl<'a> OpenMetricsParser<'a> {
    pub(super) fn new(part: Part<'a>, options: ParseOptions, carried: Carried) -> Self {
        let part = if options.start_timestamps { whole_families(part) } else { part };
        OpenMetricsParser {
            c: Cursor::new(part, carried.lines),
            options,
            family: carried.family,
            kind: carried.kind,
            unit: carried.unit,
            series: (0, 0),
            exemplar: None,
            created: carried.created,
            ended: carried.ended,
            last: part.last,
        }
    }

    pub(super) fn end(self) -> (usize, Carried) {
        let lines = self.c.lines();
        let OpenMetricsParser { c, family, kind, unit, created, ended, .. } = self;
        (c.at, Carried { lines, family, kind, unit, created, ended })
    }

    pub(super) fn kind(&self) -> MetricType {
        self.kind
    }

    pub(super) fn family_name(&self) -> &str {
        &self.family
    }

    pub(super) fn take_exemplar(&mut self) -> Option<ParsedExemplar> {
        self.exemplar.take()
    }

    pub(super) fn labels(&self) -> Result<Labels, ParseError> {
        let cx = SeriesContext { kind: self.kind, unit: &self.unit, options: self.options, blanks: false };
        series::labels(&self.c, self.series.0, self.series.1, &cx)
    }

    pub(super) fn next(&mut self, expected: Option<&[u8]>) -> Result<Option<Event<'a>>, ParseError> {
        loop {
            match self.c.peek() {
                None if self.ended || !self.last => return Ok(None),
                None => return Err(self.c.error("\"# EOF\" at the end")),
                Some(_) if self.ended => return Err(self.c.error("nothing after \"# EOF\"")),
                Some(b'#') => {
                    if self.c.eat(b"# EOF") {
                        self.c.eat(b"\n");
                        self.ended = true;
                        continue;
                    }
                    return self.metadata().map(|m| Some(Event::Metadata(m)));
                }
                Some(b) if b == b'{' || starts_metric_name(b) => {
                    let start = self.c.at;
                    let sample = match self.sample(expected) {
                        // A line feed in quotes: the next part has the rest.
                        Err(e) if e.cut_off && !self.last => {
                            self.c.at = start;
                            return Ok(None);
                        }
                        read => read?,
                    };
                    let skips_created = self.options.start_timestamps || self.options.classic_to_custom_buckets;
                    if skips_created && self.is_created(sample.key) {
                        continue;
                    }
                    return Ok(Some(Event::Sample(sample)));
                }
                Some(_) => return Err(self.c.error("a metric name, '{' or '#'")),
            }
        }
    }

    fn metadata(&mut self) -> Result<MetadataLine<'a>, ParseError> {
        let words: [&[u8]; 3] = [b"# HELP ", b"# TYPE ", b"# UNIT "];
        let Some(word) = words.into_iter().find(|w| self.c.rest().starts_with(w)) else {
            return Err(self.c.error("\"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\""));
        };
        self.c.at += word.len();
        let name = take_metric_name(&mut self.c).ok_or_else(|| self.c.error("a metric name"))?;
        let family = family_name(name);
        if family != self.family {
            self.family = family.clone().into_owned();
            (self.kind, self.created) = (MetricType::Unknown, None);
            self.unit.clear();
        }
        if !self.c.eat(b" ") {
            return Err(self.c.error("a blank and text after the metric name"));
        }
        let text_at = self.c.at;
        let (text, complete) = self.c.take_line();
        if !complete {
            return Err(self.c.error("the end of the line"));
        }
        let mut line = MetadataLine { family, ..MetadataLine::default() };
        match word {
            b"# HELP " => line.help = Some(unescape(String::from_utf8_lossy(text), true)),
            b"# TYPE " => {
                self.kind = parse_kind(text).ok_or_else(|| self.c.error_at(text_at, "a metric type"))?;
                line.kind = Some(self.kind);
            }
            _ => {
                let unit = String::from_utf8_lossy(text);
                let suffixed = self.family.strip_suffix(&*unit).is_some_and(|rest| rest.ends_with('_'));
                if !unit.is_empty() && !suffixed {
                    return Err(self.c.error_at(text_at, format!("a unit that is a suffix of {:?}", self.family)));
                }
                self.unit = unit.clone().into_owned();
                line.unit = Some(unit);
            }
        }
        Ok(line)
    }

    fn sample(&mut self, expected: Option<&[u8]>) -> Result<ParsedSample<'a>, ParseError> {
        let start = self.c.at;
        let expected = expected.filter(|key| {
            let rest = self.c.rest();
            rest.starts_with(key) && rest.get(key.len()) == Some(&b' ')
        });
        let key = match expected {
            Some(key) => {
                self.c.at += key.len();
                self.c.body.get(start..self.c.at).unwrap_or_default()
            }
            None => take_series_text(&mut self.c, false)?,
        };
        self.series = (start, self.c.at);
        let text = self.word("a value after the metric")?;
        let value = number::parse_value(text)
            .ok_or_else(|| self.c.error_at(self.c.at - text.len(), "a value after the metric"))?;
        let mut timestamp = None;
        if self.c.peek() == Some(b' ') && !self.c.rest().starts_with(b" # ") {
            let text = self.word("a timestamp")?;
            let millis = number::parse_seconds(text)
                .ok_or_else(|| self.c.error_at(self.c.at - text.len(), "a timestamp in seconds"))?;
            timestamp = Some(millis);
        }
        self.exemplar = if self.c.rest().starts_with(b" # ") { Some(self.exemplar()?) } else { None };
        if !self.c.eat(b"\n") {
            return Err(self.c.error("the end of the line"));
        }
        Ok(ParsedSample { key, value: ParsedValue::Float(value), timestamp })
    }

    /// Reads a blank and a word.
    fn word(&mut self, what: &'static str) -> Result<&'a [u8], ParseError> {
        if !self.c.eat(b" ") {
            return Err(self.c.error(what));
        }
        match self.c.take_while(|b| b != b' ' && b != b'\n') {
            b"" => Err(self.c.error(what)),
            word => Ok(word),
        }
    }

    fn exemplar(&mut self) -> Result<ParsedExemplar, ParseError> {
        self.c.at += b" # ".len();
        if self.c.peek() != Some(b'{') {
            return Err(self.c.error("the labels of an exemplar"));
        }
        let start = self.c.at;
        take_series_text(&mut self.c, false)?;
        let cx = SeriesContext { kind: MetricType::Unknown, unit: "", options: ParseOptions::default(), blanks: false };
        let labels = series::labels(&self.c, start, self.c.at, &cx)?;
        let text = self.word("the value of an exemplar")?;
        let value = number::parse_value(text)
            .ok_or_else(|| self.c.error_at(self.c.at - text.len(), "the value of an exemplar"))?;
        let mut timestamp = None;
        if self.c.peek() == Some(b' ') {
            let text = self.word("the timestamp of an exemplar")?;
            let millis = number::parse_seconds(text)
                .ok_or_else(|| self.c.error_at(self.c.at - text.len(), "the timestamp of an exemplar"))?;
            timestamp = Some(millis);
        }
        Ok(ParsedExemplar { labels, value, timestamp })
    }

    /// Whether a series is the created timestamp of the current family, not a series of its own.
    fn is_created(&self, key: &[u8]) -> bool {
        let counts = matches!(self.kind, MetricType::Counter | MetricType::Histogram | MetricType::Summary);
        let name_end = key.iter().position(|&b| b == b'{').unwrap_or(key.len());
        let name = key.get(..name_end).unwrap_or_default();
        let plain = |name: &[u8]| name.strip_suffix(b"_created") == Some(self.family.as_bytes());
        counts && (plain(name) || (name.is_empty() && self.labels().is_ok_and(|l| plain(l.metric_name().as_bytes()))))
    }

    pub(super) fn start_timestamp(&mut self, labels: &Labels) -> Option<i64> {
        if !self.options.start_timestamps || !belongs_to(labels.metric_name(), &self.family, self.kind) {
            return None;
        }
        if self.created.is_none() {
            self.created = Some(self.read_created());
        }
        self.created.as_ref()?.get(&identity(labels)).copied()
    }

    /// Looks ahead, to the end of the family, for its created timestamps: they usually follow the samples.
    fn read_created(&self) -> FxHashMap<Labels, i64> {
        let mut found = FxHashMap::default();
        let mut ahead = OpenMetricsParser {
            c: Cursor { at: self.series.0, ..self.c.clone() },
            options: ParseOptions { start_timestamps: false, classic_to_custom_buckets: false, ..self.options },
            family: self.family.clone(),
            kind: self.kind,
            unit: self.unit.clone(),
            series: self.series,
            exemplar: None,
            created: None,
            ended: false,
            last: true,
        };
        while let Ok(Some(event)) = ahead.next(None) {
            let Event::Sample(sample) = event else {
                if ahead.family != self.family {
                    break;
                }
                continue;
            };
            let (ParsedValue::Float(seconds), Ok(labels)) = (sample.value, ahead.labels()) else { continue };
            if labels.metric_name().strip_suffix("_created") == Some(&self.family) {
                found.insert(identity(&labels), (seconds * 1000.0) as i64);
            } else if !belongs_to(labels.metric_name(), &self.family, self.kind) {
                break;
            }
        }
        found
    }
}

/// Whether a sample's name is one of its family's.
fn belongs_to(name: &str, family: &str, kind: MetricType) -> bool {
    let suffixes: &[&str] = match kind {
        MetricType::Counter => &["_total"],
        MetricType::Histogram => &["_bucket", "_count", "_sum"],
        MetricType::Summary => &["", "_count", "_sum"],
        _ => &[],
    };
    name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix))
}

/// The labels that the samples of one metric share with its created timestamp.
fn identity(labels: &Labels) -> Labels {
    labels.filter(|n| n != METRIC_NAME && n != BUCKET_LABEL && n != QUANTILE_LABEL)
}
