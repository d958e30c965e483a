//! Histograms to chunks: the other way is `histogram_chunk`'s.

use std::sync::Arc;

use crate::model::FloatHistogram;

use super::bits::put_uvarint;
use super::chunk::{Chunk, ChunkEncoder};
use super::histogram_chunk::{FIXED_COLUMNS, hint_bits, number, put_layout};

/// Encodes rows of one layout, none missing, as a chunk. `st` is empty or as long as `rows`.
pub(super) fn encode(enc: &mut ChunkEncoder, rows: &[(i64, Arc<FloatHistogram>)], st: &[i64]) -> Option<Chunk> {
    let (_, first) = rows.first()?;
    let ts: Vec<i64> = rows.iter().map(|(t, _)| *t).collect();
    enc.start(&ts, st);
    put_layout(first, &mut enc.body);
    let mut column = Vec::with_capacity(rows.len());
    let (positive, negative) = (first.positive_buckets.len(), first.negative_buckets.len());
    for c in 0..FIXED_COLUMNS + positive + negative {
        column.clear();
        column.extend(rows.iter().map(|(_, h)| number(h, c, positive)));
        enc.frame.clear();
        enc.floats.encode(&column, &mut enc.frame);
        put_uvarint(&mut enc.body, enc.frame.len() as u64);
        enc.body.extend_from_slice(&enc.frame);
    }
    Some(enc.finish(&ts, ChunkEncoder::histogram_kind(hint_bits(first.counter_reset_hint)), st))
}
