//! Samples that somebody deleted. Files hold them until their blocks go or are [cleaned](super::clean); no answer has them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::TsdbError;
use super::files::{because, write_atomically};
use super::query::{Series, SharedSeries, StorageError};
use crate::model::{Labels, SampleBuf, Value};

/// Series that may have deleted samples, at most.
const MOST_SERIES: usize = 1_000_000;
/// Spans of deleted samples that a series may have.
const MOST_SPANS: usize = 1_000;

/// The first and the last time, milliseconds, of samples that are deleted.
pub(super) type Span = (i64, i64);

/// What is deleted of a series: ascending, none touches another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spans(Arc<[Span]>);

impl Spans {
    /// The span in which a time lies.
    pub fn at(&self, t: i64) -> Option<&Span> {
        let after = self.0.partition_point(|(start, _)| *start <= t);
        self.0.get(after.checked_sub(1)?).filter(|(_, end)| t <= *end)
    }

    /// Whether any of them has a time of the interval.
    pub fn touch(&self, mint: i64, maxt: i64) -> bool {
        self.0.iter().any(|(start, end)| *start <= maxt && mint <= *end)
    }

    /// What of them is at `t` and later.
    fn from(&self, t: i64) -> Option<Spans> {
        let kept = self.0.iter().filter(|(_, end)| *end >= t).map(|(start, end)| ((*start).max(t), *end));
        let kept: Arc<[Span]> = kept.collect();
        (!kept.is_empty()).then_some(Spans(kept))
    }
}

type Buried = FxHashMap<Labels, Spans>;

/// What was deleted at a moment.
pub(super) struct Deleted(Arc<Buried>);

impl Deleted {
    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was deleted of a series.
    pub fn spans(&self, labels: &Labels) -> Option<&Spans> {
        self.0.get(labels)
    }

    /// A selection without what is deleted.
    pub fn cover(&self, found: SharedSeries) -> SharedSeries {
        if self.is_empty() || !found.iter().any(|series| self.spans(series.labels()).is_some()) {
            return found;
        }
        let cover = |series: &Arc<dyn Series>| match self.spans(series.labels()) {
            None => series.clone(),
            Some(spans) => Arc::new(Covered { series: series.clone(), spans: spans.clone() }),
        };
        Arc::new(found.iter().map(cover).collect())
    }
}

/// What is deleted of which series.
#[derive(Default)]
pub(super) struct Tombstones {
    buried: ArcSwap<Buried>,
    /// Held by whoever changes them. Where they are kept, if they are.
    file: Mutex<Option<Kept>>,
}

/// The file that keeps them.
struct Kept {
    path: PathBuf,
    /// Whether not all of it could be read: it is copied aside before it is written.
    is_damaged: bool,
}

/// A series, as the file has it.
#[derive(Serialize, Deserialize)]
struct Line {
    labels: BTreeMap<String, String>,
    spans: Vec<Span>,
    /// The CRC-32 of the line without it. Files of earlier versions have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    crc: Option<u32>,
}

impl Line {
    fn of(labels: &Labels, spans: &Spans) -> io::Result<Line> {
        let labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut line = Line { labels, spans: spans.0.to_vec(), crc: None };
        line.crc = Some(crc32fast::hash(&serde_json::to_vec(&line)?));
        Ok(line)
    }

    fn parse(text: &[u8]) -> Result<(Labels, Spans), String> {
        let mut line: Line = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let told = line.crc.take();
        let found = serde_json::to_vec(&line).map_err(|e| e.to_string())?;
        if told.is_some_and(|crc| crc != crc32fast::hash(&found)) {
            return Err("its checksum is another".into());
        }
        Ok((Labels::from_pairs(line.labels), Spans(line.spans.into())))
    }
}

impl Tombstones {
    /// Those that a file keeps; none when there is no file.
    ///
    /// # Errors
    /// What is wrong with the file. What can be read of it counts; before it is written, it is copied to `tombstones.damaged`.
    pub fn of(path: PathBuf) -> (Self, Option<String>) {
        let (buried, defect) = match std::fs::read(&path) {
            Ok(bytes) => parse(&bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => (Buried::default(), None),
            Err(e) => (Buried::default(), Some(e.to_string())),
        };
        let kept = Kept { path, is_damaged: defect.is_some() };
        (Tombstones { buried: ArcSwap::from_pointee(buried), file: Mutex::new(Some(kept)) }, defect)
    }

    /// Deletes spans of series.
    ///
    /// # Errors
    /// They are too many, or could not be written down; nothing is deleted then.
    pub fn bury(&self, spans: Vec<(Labels, Span)>) -> Result<(), TsdbError> {
        let mut file = self.file.lock();
        let mut buried = Buried::clone(&self.buried.load());
        for (labels, span) in spans {
            let before = buried.get(&labels).map_or(&[][..], |spans| &spans.0);
            let joined = join(before, span);
            if joined.0.len() > MOST_SPANS {
                return Err(TsdbError::TooMany("spans of a series", MOST_SPANS));
            }
            buried.insert(labels, joined);
        }
        if buried.len() > MOST_SERIES {
            return Err(TsdbError::TooMany("series", MOST_SERIES));
        }
        self.keep(file.as_mut(), buried)
    }

    /// What is deleted now.
    pub fn now(&self) -> Deleted {
        Deleted(self.buried.load_full())
    }

    /// Forgets what was deleted `before`, and is in no file any more: all but what a series has `in_memory` from some time
    /// on. What was deleted since is kept.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn forget_written(
        &self,
        before: &Deleted,
        in_memory: impl Fn(&Labels) -> Option<i64>,
    ) -> Result<(), TsdbError> {
        let mut file = self.file.lock();
        let left = |(labels, spans): (&Labels, &Spans)| {
            let is_cleaned = before.spans(labels) == Some(spans);
            let left = if is_cleaned { spans.from(in_memory(labels)?)? } else { spans.clone() };
            Some((labels.clone(), left))
        };
        let buried = self.buried.load().iter().filter_map(left).collect();
        self.keep(file.as_mut(), buried)
    }

    /// Forgets what lies before the oldest sample that is there.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn forget_before(&self, t: i64) -> Result<(), TsdbError> {
        let mut file = self.file.lock();
        let before = self.buried.load();
        if before.values().flat_map(|spans| spans.0.iter()).all(|(_, end)| *end >= t) {
            return Ok(());
        }
        let mut buried = Buried::clone(&before);
        buried.retain(|_, spans| {
            *spans = Spans(spans.0.iter().copied().filter(|(_, end)| *end >= t).collect());
            !spans.0.is_empty()
        });
        self.keep(file.as_mut(), buried)
    }

    fn keep(&self, file: Option<&mut Kept>, buried: Buried) -> Result<(), TsdbError> {
        if let Some(Kept { path, is_damaged }) = file {
            if *is_damaged {
                let aside = path.with_extension("damaged");
                std::fs::copy(&*path, &aside).map_err(because("cannot copy", path))?;
                tracing::warn!(kept_as = %aside.display(), "the damaged file of deletions is written anew");
            }
            write_atomically(path, |out| {
                for (labels, spans) in &buried {
                    serde_json::to_writer(&mut *out, &Line::of(labels, spans)?)?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            *is_damaged = false;
        }
        self.buried.store(Arc::new(buried));
        Ok(())
    }
}

/// What can be read, and what is wrong with the rest.
fn parse(text: &[u8]) -> (Buried, Option<String>) {
    let mut buried = Buried::default();
    let (mut lines, mut bad, mut first) = (0, 0, None);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        lines += 1;
        match Line::parse(line) {
            Ok((labels, spans)) => drop(buried.insert(labels, spans)),
            Err(why) => {
                bad += 1;
                first.get_or_insert(format!("line {lines}: {why}"));
            }
        }
    }
    let told = |first: String| {
        format!("{bad} of {lines} lines cannot be read, so that what they delete is there again; {first}")
    };
    (buried, first.map(told))
}

/// Spans with one more, ascending; those that touch are one.
fn join(spans: &[Span], more: Span) -> Spans {
    let mut all: Vec<Span> = spans.iter().copied().chain([more]).collect();
    all.sort_unstable();
    let mut out: Vec<Span> = Vec::with_capacity(all.len());
    for (start, end) in all {
        match out.last_mut().filter(|(_, last)| start <= last.saturating_add(1)) {
            Some((_, last)) => *last = end.max(*last),
            None => out.push((start, end)),
        }
    }
    Spans(out.into())
}

/// A series of which something is deleted.
struct Covered {
    series: Arc<dyn Series>,
    spans: Spans,
}

impl Series for Covered {
    fn labels(&self) -> &Labels {
        self.series.labels()
    }

    fn read(&self, mint: i64, maxt: i64, start_timestamps: bool, out: &mut SampleBuf) -> Result<(), StorageError> {
        let (floats, histograms) = (out.ts.len(), out.hists.len());
        self.series.read(mint, maxt, start_timestamps, out)?;
        out.retain_from(floats, histograms, |t| self.spans.at(t).is_none());
        Ok(())
    }

    fn latest(&self, mint: i64, maxt: i64) -> Result<Option<(i64, Value)>, StorageError> {
        let mut until = maxt;
        loop {
            let found = self.series.latest(mint, until)?;
            let Some((start, _)) = found.as_ref().and_then(|(t, _)| self.spans.at(*t)) else { return Ok(found) };
            // What is deleted is passed over as a whole.
            match start.checked_sub(1).filter(|t| *t >= mint) {
                Some(before) => until = before,
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_are_one() {
        let mut spans = Spans(Arc::from([]));
        for span in [(10, 20), (40, 50), (21, 30), (0, 5), (45, 60)] {
            spans = join(&spans.0, span);
        }
        assert_eq!(*spans.0, [(0, 5), (10, 30), (40, 60)]);
        let touched = |mint, maxt| spans.touch(mint, maxt);
        assert_eq!(
            [(5, 9), (6, 9), (31, 39), (31, 40), (61, 99)].map(|(a, b)| touched(a, b)),
            [true, false, false, true, false]
        );
        assert_eq!(spans.from(20).map(|spans| spans.0.to_vec()), Some(vec![(20, 30), (40, 60)]));
        assert_eq!(spans.from(61), None);
    }

    #[test]
    fn damage_to_a_line_costs_no_other_line_and_the_damaged_file_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tombstones");
        let series = |n: i64| Labels::from_pairs([("__name__", format!("m{n}"))]);
        let (tombstones, defect) = Tombstones::of(path.clone());
        assert_eq!(defect, None);
        tombstones.bury((0..10).map(|n| (series(n), (n, n + 100))).collect()).unwrap();
        let (again, defect) = Tombstones::of(path.clone());
        assert_eq!((again.now().0.len(), defect), (10, None));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            let (found, defect) = parse(&bytes);
            // A key that nobody knows any more is no checksum; a flipped end of a line spoils two.
            let spared = (0..10).filter(|n| found.get(&series(*n)).is_some_and(|s| *s.0 == [(*n, n + 100)])).count();
            assert!(
                spared >= 8 && found.len() <= 10 && (spared == 10 || defect.is_some()),
                "byte {at}: {spared} {defect:?}"
            );
        }
        let mut bytes = whole.clone();
        bytes[40] ^= 0x80;
        std::fs::write(&path, &bytes).unwrap();
        let (damaged, defect) = Tombstones::of(path.clone());
        assert!(defect.unwrap().starts_with("1 of 10 lines cannot be read"));
        assert_eq!(damaged.now().0.len(), 9);
        damaged.bury(vec![(series(77), (1, 2))]).unwrap();
        assert_eq!(std::fs::read(dir.path().join("tombstones.damaged")).unwrap(), bytes);
        let (again, defect) = Tombstones::of(path.clone());
        assert_eq!((again.now().0.len(), defect), (10, None));
        // As earlier versions wrote it.
        std::fs::write(&path, "{\"labels\":{\"__name__\":\"old\"},\"spans\":[[1,2]]}\n").unwrap();
        let (old, defect) = Tombstones::of(path);
        assert_eq!((old.now().0.len(), defect), (1, None));
    }
}
