//! Checkpoints: all series and what of their samples is in no block, as one file that replaces the log before it.
//!
//! ```text
//! head     next id u32
//! series   id u32, flushed_until i64, newest i64, varint size, packed labels, open u8 (the last chunk is the open tail),
//!          chunks one behind the other
//! ```
//!
//! The log goes on while a checkpoint is written: what is in both is recognized by its time.

use std::io::Write;
use std::path::Path;

use super::SeriesRef;
use super::TsdbError;
use super::bits::{Reader, put_uvarint};
use super::chunk::{Chunk, ChunkEncoder, ChunkView};
use super::files::{numbered_path, write_atomically};
use super::log::{MAGIC, Record};
use super::series::MemSeries;
use super::tail::Tail;

/// Kinds of records.
pub(super) const HEAD: u8 = 16;
pub(super) const SERIES: u8 = 17;

/// Writes the checkpoint that replaces the segments before number `segment`.
pub(super) fn write<'a>(
    dir: &Path,
    segment: u64,
    next_id: u32,
    sequence: u64,
    all: impl Iterator<Item = &'a MemSeries>,
) -> Result<(), TsdbError> {
    write_atomically(&numbered_path(dir, segment), |out| {
        let mut frame = MAGIC.to_vec();
        Record { kind: HEAD, sequence, samples: 0, payload: &next_id.to_le_bytes() }.put(&mut frame);
        out.write_all(&frame)?;
        let mut payload = Vec::new();
        let mut encoder = ChunkEncoder::default();
        for series in all {
            payload.clear();
            let samples = put_series(series, &mut encoder, &mut payload);
            frame.clear();
            Record { kind: SERIES, sequence, samples, payload: &payload }.put(&mut frame);
            out.write_all(&frame)?;
        }
        Ok(())
    })
}

/// Appends one series; the number of its samples.
fn put_series(series: &MemSeries, encoder: &mut ChunkEncoder, out: &mut Vec<u8>) -> u32 {
    series.with(|state| {
        out.extend_from_slice(&series.id.0.to_le_bytes());
        out.extend_from_slice(&state.flushed_until.to_le_bytes());
        out.extend_from_slice(&series.newest().to_le_bytes());
        put_uvarint(out, series.labels.as_bytes().len() as u64);
        out.extend_from_slice(series.labels.as_bytes());
        let tail = state.tail.seal(encoder);
        out.push(u8::from(tail.is_some()));
        let mut samples = 0;
        for chunk in state.chunks.iter().chain(&tail) {
            out.extend_from_slice(&chunk.bytes);
            samples += chunk.count();
        }
        samples
    })
}

/// A series as a checkpoint holds it.
#[derive(Debug)]
pub(super) struct SavedSeries<'a> {
    pub(super) id: SeriesRef,
    pub(super) flushed_until: i64,
    pub(super) newest: i64,
    pub(super) labels: &'a [u8],
    pub(super) chunks: Vec<Chunk>,
    pub(super) tail: Tail,
}

/// Reads the payload of a series' record.
pub(super) fn read_series(payload: &[u8]) -> Option<SavedSeries<'_>> {
    let mut r = Reader::new(payload);
    let id = SeriesRef(r.u32()?);
    let (flushed_until, newest) = (r.i64()?, r.i64()?);
    let size = r.size()?;
    let labels = r.take(size)?;
    let open = r.u8()? == 1;
    let (mut chunks, mut tail) = (Vec::new(), Tail::Empty);
    while !r.is_empty() {
        let start = r.rest();
        let view = ChunkView::parse(&mut r)?;
        if open && r.is_empty() {
            tail = Tail::reopen(&view)?;
        } else {
            let bytes = start.get(..start.len() - r.rest().len())?;
            chunks.push(Chunk { mint: view.mint, maxt: view.maxt, bytes: bytes.into() });
        }
    }
    Some(SavedSeries { id, flushed_until, newest, labels, chunks, tail })
}
