//! A body on its way in: unpacked and read as it comes, so that a scrape holds a window of it, never the whole.

use bytes::Bytes;

use super::cache::SeriesCache;
use super::digest::{Digest, DigestError, Digestion};
use super::metrics::Limit;
use super::settings::ScrapeSettings;
use crate::ingest::admission::Admitted;
use crate::ingest::exposition::{Format, Part};
use crate::model::Labels;
use crate::net::{BodyError, Unpacker};

use super::settings::LONGEST_ITEM;

/// Bytes of an answer that are unpacked at a time: gzip makes at most a thousand times as many of them.
const STEP: usize = 1 << 10;
/// So much is unpacked before it is read.
const WINDOW: usize = 256 << 10;

/// Why a body is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{0}")]
    Body(#[from] BodyError),
    #[error("{0}")]
    Digest(#[from] DigestError),
    #[error("a line, or a metric family, of more than {LONGEST_ITEM} bytes")]
    LongItem,
    #[error("scrapes under way hold all the memory they may hold")]
    NoRoom,
}

impl ReadError {
    /// The limit that was exceeded, if one was.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            ReadError::Body(BodyError::TooLarge) => Some(Limit::Body),
            ReadError::Digest(DigestError::SampleLimit | DigestError::TooManySamples) => Some(Limit::Samples),
            ReadError::Digest(DigestError::BucketLimit) => Some(Limit::Buckets),
            ReadError::Digest(DigestError::LabelLimit(_)) => Some(Limit::Labels),
            _ => None,
        }
    }
}

/// An answer that is about to be read.
pub(super) struct Opening {
    pub format: Format,
    pub body: Unpacker,
    /// What the scrape may hold is reserved here.
    pub admitted: Admitted,
}

/// A body that is being read.
pub(super) struct Reading {
    body: Unpacker,
    digestion: Digestion,
    admitted: Admitted,
    /// The window is read when it holds so many bytes.
    full: usize,
}

impl Reading {
    pub fn begin(opening: Opening, cache: &mut SeriesCache, at: i64) -> Self {
        let Opening { format, body, admitted } = opening;
        Reading { body, admitted, digestion: Digestion::begin(cache, format, at), full: WINDOW }
    }

    /// Takes the next pieces of the body.
    pub fn take(
        &mut self,
        pieces: &[Bytes],
        cache: &mut SeriesCache,
        settings: &ScrapeSettings,
        target: &Labels,
    ) -> Result<(), ReadError> {
        for step in pieces.iter().flat_map(|piece| piece.chunks(STEP)) {
            self.body.take(step)?;
            if self.body.unpacked().len() >= self.full {
                self.read(false, cache, settings, target)?;
            }
        }
        Ok(())
    }

    /// Reads what is left when all pieces are here.
    pub fn finish(
        &mut self,
        cache: &mut SeriesCache,
        settings: &ScrapeSettings,
        target: &Labels,
    ) -> Result<(), ReadError> {
        self.body.finish()?;
        self.read(true, cache, settings, target)
    }

    fn read(
        &mut self,
        last: bool,
        cache: &mut SeriesCache,
        settings: &ScrapeSettings,
        target: &Labels,
    ) -> Result<(), ReadError> {
        let window = self.body.unpacked();
        let read = self.digestion.part(cache, settings, target, Part { bytes: window, last })?;
        window.drain(..read.min(window.len()));
        let (left, capacity) = (window.len(), window.capacity());
        if left > LONGEST_ITEM {
            return Err(ReadError::LongItem);
        }
        // What is left is looked at again when there is as much behind it: a long line is not read over and over.
        self.full = WINDOW.max(2 * left);
        if self.admitted.hold(capacity.saturating_add(self.digestion.held())) { Ok(()) } else { Err(ReadError::NoRoom) }
    }

    /// What was found, and how many bytes the body had as far as it was unpacked.
    pub fn end(self) -> (Digest, u64) {
        (self.digestion.found, self.body.total())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ingest::admission::Admission;

    fn gzip(text: &str, times: usize) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        (0..times).for_each(|_| writer.write_all(text.as_bytes()).unwrap());
        writer.finish().unwrap()
    }

    /// Reads a body of the text format that comes in pieces: samples, and the most that was held meanwhile.
    fn read(body: &[u8], admission: &Admission) -> Result<(usize, usize), ReadError> {
        let (mut cache, settings, target) = (SeriesCache::new(), ScrapeSettings::new("j"), Labels::default());
        let body_of = Unpacker::new(true, 1 << 30);
        let opening = Opening { format: Format::Text, body: body_of, admitted: admission.enter() };
        let mut reading = Reading::begin(opening, &mut cache, 0);
        let mut most = 0;
        for piece in body.chunks(STEP) {
            reading.take(&[Bytes::copy_from_slice(piece)], &mut cache, &settings, &target)?;
            most = most.max(admission.held());
        }
        reading.finish(&mut cache, &settings, &target)?;
        Ok((reading.end().0.samples.len(), most))
    }

    #[test]
    fn of_a_body_that_unpacks_to_much_a_window_is_held() {
        let body = gzip("# a comment, and another one\n", 400_000);
        assert!(body.len() < 64 << 10, "{} bytes", body.len());
        let admission = Admission::new(8 << 20);
        let (samples, most) = read(&body, &admission).unwrap();
        assert_eq!(samples, 0);
        assert!((WINDOW..16 * WINDOW).contains(&most), "{most} bytes were held");
        assert_eq!(admission.held(), 0, "given back");
    }

    #[test]
    fn a_line_may_be_longer_than_a_window() {
        let line = format!("a{{b=\"{}\"}} 1\nc 2\n", "x".repeat(3 * WINDOW));
        assert_eq!(read(&gzip(&line, 1), &Admission::new(64 << 20)).unwrap().0, 2);
    }

    #[test]
    fn scrapes_share_what_they_may_hold() {
        let admission = Admission::new(4 << 20);
        let body = gzip("a 1\n", 100_000);
        let mut other = admission.enter();
        assert!(other.reserve(3 << 20));
        assert!(matches!(read(&body, &admission), Err(ReadError::NoRoom)));
        drop(other);
        let body = gzip("a 1\n", 5_000);
        assert_eq!(read(&body, &admission).unwrap().0, 5_000);
    }
}
