//! Writing blocks: from the head's sealed chunks, and by merging blocks.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use crate::model::{Labels, SampleBuf};

use super::block::{Block, LabelCursor, unreadable};
use super::block_format::{BlockName, Entry, Footer, MAGIC};
use super::block_labels::LabelPacker;
use super::chunk::{self, ChunkEncoder};
use super::files::write_atomically;
use super::label_index::LabelIndexBuilder;
use super::late::{chunks_of, samples_of};
use super::{SeriesRef, TsdbError, sums};

/// The region of one series, made while a block is written.
#[derive(Debug, Default)]
pub(super) struct Region {
    pub(super) bytes: Vec<u8>,
    pub(super) samples: u32,
    pub(super) mint: i64,
    pub(super) maxt: i64,
}

impl Region {
    /// Empties the region and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.samples = 0;
    }

    /// Adds chunks behind those that are there.
    pub(super) fn push(&mut self, bytes: &[u8], samples: u32, mint: i64, maxt: i64) {
        if self.bytes.is_empty() {
            self.mint = mint;
        }
        self.maxt = maxt;
        self.samples = self.samples.saturating_add(samples);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Collects what a block consists of besides its regions.
struct Parts<'a> {
    out: &'a mut BufWriter<std::fs::File>,
    offset: u64,
    table: Vec<u8>,
    labels: LabelPacker,
    /// `None` when it would be too large: then it is made when it is asked for.
    index: Option<LabelIndexBuilder>,
    sums: Vec<u8>,
    footer: Footer,
}

impl Parts<'_> {
    fn add(&mut self, id: SeriesRef, labels: &Labels, region: &Region) -> io::Result<()> {
        let len = u32::try_from(region.bytes.len()).map_err(|_| io::Error::other("more than 4 GiB of one series"))?;
        let crc = crc32fast::hash(&region.bytes);
        let Region { samples, mint, maxt, .. } = *region;
        Entry { id, crc, offset: self.offset, len, samples, mint, maxt }.put(&mut self.table);
        self.labels.add(labels)?;
        if self.index.as_mut().is_some_and(|index| index.add(labels).is_none()) {
            self.index = None;
        }
        sums::put(&mut self.sums, id, &region.bytes);
        self.out.write_all(&region.bytes)?;
        self.offset += u64::from(len);
        let f = &mut self.footer;
        (f.mint, f.maxt) = if f.series == 0 { (mint, maxt) } else { (f.mint.min(mint), f.maxt.max(maxt)) };
        f.series += 1;
        f.samples += u64::from(samples);
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        let labels = std::mem::take(&mut self.labels).finish()?;
        let index = self.index.take().and_then(LabelIndexBuilder::finish);
        self.footer.table = self.offset;
        self.footer.labels = self.offset + self.table.len() as u64;
        self.footer.table_crc = crc32fast::hash(&self.table);
        self.footer.labels_crc = crc32fast::hash(&labels);
        self.footer.sums = self.footer.labels + labels.len() as u64;
        if let Some(index) = &index {
            self.footer.index = self.footer.sums;
            self.footer.index_crc = crc32fast::hash(index);
            self.footer.sums += index.len() as u64;
        }
        self.footer.sums_crc = crc32fast::hash(&self.sums);
        self.out.write_all(&self.table)?;
        self.out.write_all(&labels)?;
        self.out.write_all(index.as_deref().unwrap_or(&[]))?;
        self.out.write_all(&self.sums)?;
        // Twice: without it nothing of a block can be read.
        self.out.write_all(&self.footer.to_bytes())?;
        self.out.write_all(&self.footer.to_bytes())
    }
}

/// What a block was merged of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// So many blocks that the head wrote; 0: it is one of those.
    pub(super) parts: u32,
    /// The lowest and the highest rank among them.
    pub(super) replaces: (u64, u64),
}

impl Merged {
    /// What a block is that is written again.
    pub(super) fn again(block: &Block) -> Self {
        Merged { parts: block.footer.parts, replaces: block.footer.replaces }
    }
}

/// Writes a block of the series that `next` gives, ascending by id, until it gives `None`; `None` when it gave none.
pub(super) fn write_block(
    dir: &Path,
    name: BlockName,
    merged: Merged,
    mut next: impl FnMut(&mut Region) -> io::Result<Option<(SeriesRef, Labels)>>,
) -> Result<Option<Arc<Block>>, TsdbError> {
    let mut region = Region::default();
    let Some(mut series) = next(&mut region).map_err(|source| failed(name, source))? else { return Ok(None) };
    let path = name.path(dir);
    write_atomically(&path, |out| {
        out.write_all(MAGIC)?;
        let offset = MAGIC.len() as u64;
        let footer = Footer { parts: merged.parts, replaces: merged.replaces, ..Footer::default() };
        let (table, labels, index) = (Vec::new(), LabelPacker::default(), Some(LabelIndexBuilder::default()));
        let mut block = Parts { out, offset, table, labels, index, sums: Vec::new(), footer };
        loop {
            block.add(series.0, &series.1, &region)?;
            region.clear();
            match next(&mut region)? {
                Some(more) => series = more,
                None => return block.finish(),
            }
        }
    })?;
    Block::open(&path).map(Arc::new).map(Some).map_err(unreadable)
}

fn failed(name: BlockName, source: io::Error) -> TsdbError {
    TsdbError::Io { what: format!("cannot write block {} to {}", name.start, name.end), source }
}

/// Adds chunks with samples among those that are there. What does not decode is left out: its checksum was right, so that
/// it never did.
pub(super) fn mix(region: &mut Region, bytes: &[u8], encoder: &mut ChunkEncoder) {
    let mut buf = SampleBuf::default();
    for bytes in [region.bytes.as_slice(), bytes] {
        let before = (buf.ts.len(), buf.hists.len());
        if chunk::read_all(bytes, i64::MIN, i64::MAX, true, &mut buf).is_none() {
            buf.truncate(before.0, before.1);
        }
        buf.float_st.resize(buf.ts.len(), 0);
        buf.hist_st.resize(buf.hists.len(), 0);
    }
    region.clear();
    buf.settle((0, 0));
    let chunks = chunks_of(samples_of(buf).into_iter(), encoder);
    chunks.iter().for_each(|c| region.push(&c.bytes, c.count(), c.mint, c.maxt));
}

/// Merges blocks, given in the order of the set, into one. Damaged chunks are left out; `labels_of` knows the labels of
/// series where a block's own are damaged. With the number of chunks that were left out.
pub(super) fn merge_blocks(
    dir: &Path,
    name: BlockName,
    blocks: &[Arc<Block>],
    labels_of: impl Fn(SeriesRef) -> Option<Labels>,
) -> Result<(Option<Arc<Block>>, u64), TsdbError> {
    let mut left_out = 0;
    let mut labels: Vec<LabelCursor<'_>> = blocks.iter().map(|b| LabelCursor::new(b)).collect();
    let mut at = vec![0usize; blocks.len()];
    let mut encoder = ChunkEncoder::default();
    let parts = blocks.iter().map(|b| b.footer.parts.max(1)).fold(0, u32::saturating_add);
    let ranks = || blocks.iter().map(|b| b.rank());
    let merged = Merged { parts, replaces: (ranks().min().unwrap_or(0), ranks().max().unwrap_or(0)) };
    let written = write_block(dir, name, merged, |region| {
        loop {
            let Some(id) = blocks.iter().zip(&at).filter_map(|(b, i)| b.id(*i)).min() else { return Ok(None) };
            let mut found = None;
            for ((block, i), labels) in blocks.iter().zip(&mut at).zip(&mut labels) {
                if block.id(*i) != Some(id) {
                    continue;
                }
                if let Some((e, bytes, damage)) = block.region_at(*i) {
                    left_out += damage.map_or(0, |d| u64::from(d.damaged));
                    if !bytes.is_empty() && (region.bytes.is_empty() || e.mint > region.maxt) {
                        region.push(&bytes, e.samples, e.mint, e.maxt);
                    } else if !bytes.is_empty() {
                        mix(region, &bytes, &mut encoder);
                    }
                }
                found = found.or_else(|| labels.get(*i));
                *i += 1;
            }
            // Without a readable chunk, or when nobody knows its labels, a series is left out.
            if let Some(labels) = found.or_else(|| labels_of(id)).filter(|_| !region.bytes.is_empty()) {
                return Ok(Some((id, labels)));
            }
            region.clear();
        }
    })?;
    Ok((written, left_out))
}
