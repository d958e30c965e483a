//! An exposition file as storage.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use crate::ingest::exposition::{Event, Format, ParseError, ParseOptions, ParsedValue, Parser};
use crate::model::{Labels, Position, Value};
use crate::promql::Features;
use crate::promql::script::MemoryStorage;

use super::numbers::counted;

/// The largest file that is read.
const MAX_BYTES: u64 = 256 << 20;
/// How OpenMetrics ends.
const END: &[u8] = b"# EOF";

/// What a file holds.
#[derive(Debug, Default)]
pub(in crate::cli) struct Exposition {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    labels: Labels,
    /// The timestamp, when there is one.
    t: Option<i64>,
    /// The start timestamp, 0 when unknown.
    st: i64,
    value: Value,
}

impl Exposition {
    /// Reads a file; `-` is standard input.
    pub fn read(path: &Path, features: &Features) -> Result<Self, String> {
        let (name, body) = if path == Path::new("-") {
            ("standard input".to_owned(), read_limited(stdin().lock()))
        } else {
            (path.display().to_string(), File::open(path).map_err(|e| e.to_string()).and_then(read_limited))
        };
        let body = body.map_err(|e| format!("{name}: {e}"))?;
        let mut exposition = Self::parse(&name, &body, features)?;
        if exposition.rows.is_empty() {
            eprintln!("watchbell: {name}: holds no sample");
        }
        if let Some(remark) = exposition.drop_repeats() {
            eprintln!("watchbell: {name}: {remark}");
        }
        Ok(exposition)
    }

    /// Parses a file's text.
    pub fn parse(name: &str, body: &[u8], features: &Features) -> Result<Self, String> {
        let format = format_of(body);
        let options = ParseOptions {
            start_timestamps: features.start_timestamps,
            type_and_unit_labels: features.type_and_unit_labels,
            ..ParseOptions::default()
        };
        let mut parser = Parser::new(format, body, options);
        let mut rows = Vec::new();
        let failed = |e: ParseError| located(name, format, &e);
        while let Some(event) = parser.next(None).map_err(failed)? {
            let Event::Sample(sample) = event else { continue };
            let (value, t) = (sample.value, sample.timestamp);
            let labels = parser.labels().map_err(failed)?;
            let value = match value {
                ParsedValue::Float(v) => Value::Float(v),
                ParsedValue::Histogram(h) => Value::Histogram(h),
                ParsedValue::Defective(defect) => {
                    return Err(format!("{name}: {}: {defect}", labels.to_series_string()));
                }
            };
            let st = parser.start_timestamp(&labels).unwrap_or(0);
            rows.push(Row { labels, t, st, value });
        }
        Ok(Exposition { rows })
    }

    /// Sorts rows by series and time. Of several at one time the first counts, as in a scrape; says so.
    pub fn drop_repeats(&mut self) -> Option<String> {
        let before = self.rows.len();
        let mut example = None;
        self.rows.sort_by(|a, b| a.labels.cmp(&b.labels).then(a.t.cmp(&b.t)));
        self.rows.dedup_by(|b, a| {
            let same = a.labels == b.labels && a.t == b.t;
            if same && example.is_none() {
                example = Some(a.labels.to_series_string());
            }
            same
        });
        let dropped = (before - self.rows.len()) as u64;
        example.map(|series| {
            format!("left out {} of a series and time seen before, such as {series}", counted(dropped, "sample"))
        })
    }

    /// The newest timestamp, when every sample has one.
    pub fn newest(&self) -> Option<i64> {
        let newest = self.rows.iter().map(|r| r.t).max()?;
        newest.filter(|_| self.rows.iter().all(|r| r.t.is_some()))
    }

    /// The samples as storage; those without timestamp are at `at`.
    pub fn into_storage(self, at: i64) -> MemoryStorage {
        let mut storage = MemoryStorage::default();
        for row in self.rows {
            storage.append(&row.labels, row.t.unwrap_or(at), row.st, row.value);
        }
        storage
    }
}

fn read_limited(from: impl Read) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut body).map_err(|e| e.to_string())?;
    match body.len() as u64 > MAX_BYTES {
        true => Err(format!("more than {} MiB, which is more than is read", MAX_BYTES >> 20)),
        false => Ok(body),
    }
}

/// A file has no `Content-Type`: its beginning and its end tell the format.
fn format_of(body: &[u8]) -> Format {
    if is_protobuf(body) {
        Format::Protobuf
    } else if body.trim_ascii_end().ends_with(END) {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// Whether a body begins as delimited metric families do: a length, and within it field 1, a name.
fn is_protobuf(body: &[u8]) -> bool {
    let length_bytes = body.iter().take(10).take_while(|b| **b & 0x80 != 0).count() + 1;
    let length = body.iter().take(length_bytes).rev().fold(0u64, |n, b| n << 7 | u64::from(b & 0x7f));
    let Some([0x0a, name_length, name @ ..]) = body.get(length_bytes..) else { return false };
    let fits = length >= 2 + u64::from(*name_length) && *name_length > 0;
    let name = name.get(..usize::from(*name_length)).unwrap_or_default();
    fits && !name.is_empty() && std::str::from_utf8(name).is_ok_and(|n| !n.contains(|c: char| c.is_control()))
}

fn located(name: &str, format: Format, error: &ParseError) -> String {
    let Position { line, column } = error.position;
    let place = if line > 0 { format!("{name}:{line}:{column}") } else { name.to_owned() };
    let read_as = match format {
        Format::Text => "as Prometheus' text format; OpenMetrics would end with \"# EOF\"",
        Format::OpenMetrics => "as OpenMetrics, for it ends with \"# EOF\"",
        Format::Protobuf => "as delimited protobuf",
    };
    format!("{place}: expected {}, found {} (read {read_as})", error.expected, error.found)
}
