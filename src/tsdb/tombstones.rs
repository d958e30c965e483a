//! Samples that somebody deleted. Files hold them until their blocks go or are [cleaned](super::clean); no answer has them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::TsdbError;
use super::files::write_atomically;
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
    file: Mutex<Option<PathBuf>>,
}

/// A series, as the file has it.
#[derive(Serialize, Deserialize)]
struct Line {
    labels: BTreeMap<String, String>,
    spans: Vec<Span>,
}

impl Tombstones {
    /// Those that a file keeps; none when there is no file.
    ///
    /// # Errors
    /// What is wrong with the file. What comes in is kept in it all the same.
    pub fn of(path: PathBuf) -> (Self, Option<String>) {
        let read = match std::fs::read_to_string(&path) {
            Ok(text) => parse(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Buried::default()),
            Err(e) => Err(e.to_string()),
        };
        let (buried, defect) = read.map_or_else(|e| (Buried::default(), Some(e)), |buried| (buried, None));
        (Tombstones { buried: ArcSwap::from_pointee(buried), file: Mutex::new(Some(path)) }, defect)
    }

    /// Deletes spans of series.
    ///
    /// # Errors
    /// They are too many, or could not be written down; nothing is deleted then.
    pub fn bury(&self, spans: Vec<(Labels, Span)>) -> Result<(), TsdbError> {
        let file = self.file.lock();
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
        self.keep(file.as_deref(), buried)
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
        let file = self.file.lock();
        let left = |(labels, spans): (&Labels, &Spans)| {
            let is_cleaned = before.spans(labels) == Some(spans);
            let left = if is_cleaned { spans.from(in_memory(labels)?)? } else { spans.clone() };
            Some((labels.clone(), left))
        };
        let buried = self.buried.load().iter().filter_map(left).collect();
        self.keep(file.as_deref(), buried)
    }

    /// Forgets what lies before the oldest sample that is there.
    ///
    /// # Errors
    /// It could not be written down.
    pub fn forget_before(&self, t: i64) -> Result<(), TsdbError> {
        let file = self.file.lock();
        let before = self.buried.load();
        if before.values().flat_map(|spans| spans.0.iter()).all(|(_, end)| *end >= t) {
            return Ok(());
        }
        let mut buried = Buried::clone(&before);
        buried.retain(|_, spans| {
            *spans = Spans(spans.0.iter().copied().filter(|(_, end)| *end >= t).collect());
            !spans.0.is_empty()
        });
        self.keep(file.as_deref(), buried)
    }

    fn keep(&self, file: Option<&Path>, buried: Buried) -> Result<(), TsdbError> {
        if let Some(path) = file {
            write_atomically(path, |out| {
                for (labels, spans) in &buried {
                    let labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                    serde_json::to_writer(&mut *out, &Line { labels, spans: spans.0.to_vec() })?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
        }
        self.buried.store(Arc::new(buried));
        Ok(())
    }
}

fn parse(text: &str) -> Result<Buried, String> {
    let mut buried = Buried::default();
    for line in text.lines() {
        let Line { labels, spans } = serde_json::from_str(line).map_err(|e| e.to_string())?;
        buried.insert(Labels::from_pairs(labels), Spans(spans.into()));
    }
    Ok(buried)
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
}
