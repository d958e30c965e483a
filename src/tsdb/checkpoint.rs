//! Checkpoints: all series and what of their samples is in no block, as one file that replaces the log before it.
//!
//! ```text
//! head     next id u64, number of the next block u64
//! series   id u64, flushed_until i64, newest i64, varint size, packed labels, open u8 (the last chunk is the open tail),
//!          chunks one behind the other
//! late     id u64, chunks of late samples; behind the series, where it has some
//! ```
//!
//! The log goes on while a checkpoint is written: what is in both is recognized by its time. What blocks with numbers before
//! that of its head hold, the checkpoint knows of; what later ones hold may still be in it. Checkpoints with ids of 32 bits
//! (and heads that say nothing of blocks) are read as well.

use std::io::Write;
use std::path::Path;

use crate::model::SampleBuf;

use super::SeriesRef;
use super::TsdbError;
use super::bits::{Reader, put_uvarint};
use super::chunk::{Chunk, ChunkEncoder, ChunkView};
use super::files::{numbered_path, write_atomically};
use super::late::{LateSample, chunks_of, samples_of};
use super::log::{MAGIC, Record};
use super::series::MemSeries;
use super::tail::Tail;

/// Kinds of records.
const HEAD: u8 = 18;
const SERIES: u8 = 19;
const LATE: u8 = 20;
const SHORT_HEAD: u8 = 16;
const SHORT_SERIES: u8 = 17;

/// What a checkpoint's head says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Ids from here on were never given out.
    pub(super) next_id: u64,
    /// Blocks from this number on are newer than the checkpoint.
    pub(super) next_block: u64,
}

/// What a record of a checkpoint holds.
pub(super) enum Saved<'a> {
    Head(Head),
    Series(SavedSeries<'a>),
    Late(SeriesRef, Vec<LateSample>),
}

/// Reads a record; `None` when it does not read as what it says it is.
pub(super) fn read<'a>(record: &Record<'a>) -> Option<Saved<'a>> {
    let mut r = Reader::new(record.payload);
    Some(match record.kind {
        HEAD => Saved::Head(Head { next_id: r.u64()?, next_block: r.u64()? }),
        SHORT_HEAD => Saved::Head(Head { next_id: r.u32()?.into(), next_block: 0 }),
        SERIES => Saved::Series(read_series(SeriesRef(r.u64()?), r)?),
        LATE => Saved::Late(SeriesRef(r.u64()?), read_late(r)?),
        SHORT_SERIES => Saved::Series(read_series(SeriesRef(r.u32()?.into()), r)?),
        _ => return None,
    })
}

/// Writes the checkpoint that replaces the segments before number `segment`.
pub(super) fn write<'a>(
    dir: &Path,
    segment: u64,
    head: Head,
    sequence: u64,
    all: impl Iterator<Item = &'a MemSeries>,
) -> Result<(), TsdbError> {
    write_atomically(&numbered_path(dir, segment), |out| {
        let mut frame = MAGIC.to_vec();
        let payload = [head.next_id.to_le_bytes(), head.next_block.to_le_bytes()].concat();
        Record { kind: HEAD, sequence, samples: 0, payload: &payload }.put(&mut frame);
        out.write_all(&frame)?;
        let mut payload = Vec::new();
        let mut encoder = ChunkEncoder::default();
        for series in all {
            payload.clear();
            let samples = put_series(series, &mut encoder, &mut payload);
            frame.clear();
            Record { kind: SERIES, sequence, samples, payload: &payload }.put(&mut frame);
            payload.clear();
            let samples = put_late(series, &mut encoder, &mut payload);
            if samples > 0 {
                Record { kind: LATE, sequence, samples, payload: &payload }.put(&mut frame);
            }
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

/// Appends the late samples of a series; how many there are.
fn put_late(series: &MemSeries, encoder: &mut ChunkEncoder, out: &mut Vec<u8>) -> u32 {
    let late = series.with(|state| state.late().to_vec());
    out.extend_from_slice(&series.id.0.to_le_bytes());
    let chunks = chunks_of(late.into_iter(), encoder);
    chunks.iter().for_each(|c| out.extend_from_slice(&c.bytes));
    chunks.iter().map(Chunk::count).sum()
}

fn read_late(mut r: Reader<'_>) -> Option<Vec<LateSample>> {
    let mut buf = SampleBuf::default();
    while !r.is_empty() {
        ChunkView::parse(&mut r)?.read(i64::MIN, i64::MAX, true, &mut buf)?;
    }
    Some(samples_of(buf))
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

fn read_series(id: SeriesRef, mut r: Reader<'_>) -> Option<SavedSeries<'_>> {
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
