//! Samples from an OpenMetrics file, as `promtool tsdb dump-openmetrics` writes one, read in parts into a database in memory.
//!
//! A dump has no staleness markers: a series ends there when the lookback is over.

use std::io::Read;

use crate::ingest::exposition::{Carried, Event, Format, ParseOptions, ParsedValue, Parser, Part};
use crate::model::Value;
use crate::tsdb::{AppendError, Appender, SeriesRef, Tsdb, TsdbOptions};

use super::window::Window;

/// So much is read at a time.
const PART: usize = 1 << 20;
/// No line, or family where samples have start timestamps, is longer.
const LONGEST: usize = 64 << 20;
/// Samples are stored in batches of this size.
const BATCH: usize = 8_192;

/// What a file holds.
pub struct Samples {
    /// The samples.
    pub storage: Tsdb,
    /// From the first sample's time to the last's; `None` where there is none.
    pub span: Option<Window>,
    /// How many there are.
    pub samples: u64,
    /// Those of a series and time that were there before, or older than the series' newest: left out.
    pub left_out: u64,
}

/// Reads a file, which `name` names in errors.
///
/// # Errors
/// It cannot be read, is no OpenMetrics, or a sample has no timestamp.
pub fn read(name: &str, mut from: impl Read) -> Result<Samples, String> {
    let storage = Tsdb::in_memory_with(TsdbOptions { retention_ms: i64::MAX });
    let mut reading = Reading { appender: storage.appender(), span: None, samples: 0, left_out: 0, last: None };
    let (mut buffer, mut carried, mut filled) = (vec![0; PART], Carried::default(), 0);
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let read = from.read(room).map_err(|e| format!("{name}: {e}"))?;
        filled += read;
        if read > 0 && filled < buffer.len() {
            continue;
        }
        let last = read == 0 && filled < buffer.len();
        let bytes = buffer.get(..filled).unwrap_or_default();
        let (used, next) = reading.part(Part { bytes, last }, carried).map_err(|e| format!("{name}: {e}"))?;
        if last {
            break;
        }
        carried = next;
        buffer.copy_within(used..filled, 0);
        filled -= used;
        if filled * 2 > buffer.len() {
            if buffer.len() >= LONGEST {
                return Err(format!("{name}: a line longer than {} MiB", LONGEST >> 20));
            }
            buffer.resize(buffer.len() * 2, 0);
        }
    }
    reading.commit()?;
    let Reading { span, samples, left_out, .. } = reading;
    Ok(Samples { storage, span, samples, left_out })
}

struct Reading<'a> {
    appender: Appender<'a>,
    span: Option<Window>,
    samples: u64,
    left_out: u64,
    /// The text of the series that came last, and the series.
    last: Option<(Vec<u8>, SeriesRef)>,
}

impl Reading<'_> {
    /// Reads what is complete of a part: how many bytes that is, and what is to be known for the next.
    fn part(&mut self, part: Part<'_>, carried: Carried) -> Result<(usize, Carried), String> {
        let mut parser = Parser::of_part(Format::OpenMetrics, part, ParseOptions::default(), carried);
        loop {
            let expected = self.last.as_ref().map(|(key, _)| key.as_slice());
            let Some(event) = parser.next(expected).map_err(|e| e.to_string())? else { break };
            let Event::Sample(sample) = event else { continue };
            let Some(t) = sample.timestamp else {
                let key = String::from_utf8_lossy(sample.key);
                return Err(format!("expected every sample with a timestamp, found none after {key}"));
            };
            let value = match sample.value {
                ParsedValue::Float(v) => Value::Float(v),
                ParsedValue::Histogram(h) => Value::Histogram(h),
                ParsedValue::Defective(defect) => return Err(defect.to_string()),
            };
            let known = self.last.as_ref().filter(|(key, _)| key == sample.key).map(|(_, id)| *id);
            let id = match known {
                Some(id) => id,
                None => {
                    let key = sample.key.to_vec();
                    let labels = parser.labels().map_err(|e| e.to_string())?;
                    let id = self.appender.series(&labels).map_err(|e| e.to_string())?;
                    self.last = Some((key, id));
                    id
                }
            };
            self.append(id, t, value)?;
        }
        Ok(parser.end())
    }

    fn append(&mut self, id: SeriesRef, t: i64, value: Value) -> Result<(), String> {
        match self.appender.append_ref_with_st(id, 0, t, value) {
            Ok(_) => {}
            Err(AppendError::OutOfOrder | AppendError::Duplicate) => self.left_out += 1,
            Err(e) => return Err(e.to_string()),
        }
        let Window { from, to } = self.span.unwrap_or(Window { from: t, to: t });
        self.span = Some(Window { from: from.min(t), to: to.max(t) });
        self.samples += 1;
        if self.appender.len() >= BATCH { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), String> {
        self.left_out += self.appender.commit().map_err(|e| e.to_string())?.rejected;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Matcher, SampleBuf};
    use crate::tsdb::Queryable;

    /// A reader that gives little at a time.
    struct Sips<'a>(&'a [u8]);

    impl Read for Sips<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = self.0.len().min(buf.len()).min(7);
            let (now, later) = self.0.split_at(n);
            buf[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    #[test]
    fn a_file_is_read_in_parts_and_what_repeats_is_counted() {
        let mut text = String::new();
        for t in 0..60_000 {
            text.push_str(&format!("up{{job=\"a\"}} {} {t}.500\n", t % 7));
        }
        text.push_str("up{job=\"a\"} 9 59999.500\nup{job=\"b\"} 1 3.000\n# EOF\n");
        let read = read("f", Sips(text.as_bytes())).unwrap();
        assert_eq!(read.span, Some(Window { from: 500, to: 59_999_500 }));
        assert_eq!((read.samples, read.left_out), (60_002, 1));
        let found = read.storage.select(&[Matcher::equal("job", "a")], i64::MIN, i64::MAX).unwrap();
        let mut samples = SampleBuf::default();
        found[0].read(0, i64::MAX, false, &mut samples).unwrap();
        assert_eq!((samples.len(), samples.vs[8]), (60_000, 1.0));
    }

    #[test]
    fn what_is_no_dump_is_refused_with_its_place() {
        for (text, want) in [
            ("up 1 1\n", "f: line 2, column 1: expected \"# EOF\" at the end"),
            ("up 1\n# EOF\n", "f: expected every sample with a timestamp, found none after up"),
            ("up 1 1\nup{ 2\n# EOF\n", "f: line 2, column"),
        ] {
            let error = read("f", text.as_bytes()).err().unwrap();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
