//! The labels of a block's series: deflated in groups, each with its checksum, so that a damaged byte costs a group and
//! a few labels can be had without inflating all.
//!
//! ```text
//! group    length u32, crc32 u32 of what follows, deflated: (varint size, packed labels)*
//! ```

use std::io::{Read, Write};

use crate::model::Labels;

use super::bits::{Reader, put_uvarint};

/// Series in a group: enough that deflating finds what they have in common, few enough to be inflated for one of them.
pub(super) const GROUP: usize = 128;
/// Series in a group of a block of the second version.
pub(super) const LARGE_GROUP: usize = 1024;
/// Labels of a group do not inflate to more: beyond lies damage.
const MAX_GROUP_BYTES: u64 = 1 << 30;

/// Deflates labels as they come, in the order of the table.
#[derive(Debug, Default)]
pub(super) struct LabelPacker {
    out: Vec<u8>,
    group: Vec<u8>,
    series: usize,
}

impl LabelPacker {
    pub(super) fn add(&mut self, labels: &Labels) -> std::io::Result<()> {
        put_uvarint(&mut self.group, labels.as_bytes().len() as u64);
        self.group.extend_from_slice(labels.as_bytes());
        self.series += 1;
        if self.series.is_multiple_of(GROUP) { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> std::io::Result<()> {
        if self.group.is_empty() {
            return Ok(());
        }
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflated.write_all(&self.group)?;
        let deflated = deflated.finish()?;
        self.group.clear();
        for n in [deflated.len() as u32, crc32fast::hash(&deflated)] {
            self.out.extend_from_slice(&n.to_le_bytes());
        }
        self.out.extend_from_slice(&deflated);
        Ok(())
    }

    /// The groups, one behind the other.
    pub(super) fn finish(mut self) -> std::io::Result<Vec<u8>> {
        self.end_group()?;
        Ok(self.out)
    }
}

/// Where each group begins.
pub(super) fn group_offsets(packed: &[u8]) -> Vec<u64> {
    let mut offsets = Vec::new();
    let mut r = Reader::new(packed);
    while !r.is_empty() {
        let at = (packed.len() - r.rest().len()) as u64;
        let Some(len) = (|| Some((r.u32()? as usize, r.u32()?).0))() else { break };
        if r.take(len).is_none() {
            break;
        }
        offsets.push(at);
    }
    offsets
}

/// The labels of the group of `series` series that begins with these bytes; `None` for all of them when it is damaged.
pub(super) fn unpack_group(packed: &[u8], series: usize) -> Vec<Option<Labels>> {
    let mut r = Reader::new(packed);
    let group = (|| {
        let (len, crc) = (r.u32()? as usize, r.u32()?);
        r.take(len).filter(|group| crc32fast::hash(group) == crc)
    })();
    unpack_whole(group.unwrap_or(&[]), series, group.is_some())
}

/// The labels of one deflated piece; all `None` when it is damaged.
pub(super) fn unpack_whole(packed: &[u8], series: usize, good: bool) -> Vec<Option<Labels>> {
    let mut raw = Vec::new();
    let mut inflated = flate2::read::DeflateDecoder::new(packed).take(MAX_GROUP_BYTES);
    if !good || inflated.read_to_end(&mut raw).is_err() {
        return vec![None; series];
    }
    let mut r = Reader::new(&raw);
    (0..series).map(|_| r.size().and_then(|size| Labels::from_bytes(r.take(size)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(packed: &[u8], series: usize) -> Vec<Option<Labels>> {
        let offsets = group_offsets(packed);
        let groups = (0..series.div_ceil(GROUP)).flat_map(|g| {
            let at = offsets.get(g).map_or(packed.len(), |at| *at as usize);
            unpack_group(&packed[at..], GROUP.min(series - g * GROUP))
        });
        groups.collect()
    }

    #[test]
    fn a_damaged_byte_costs_one_group() {
        let labels: Vec<Labels> = (0..3 * GROUP + 5)
            .map(|i| Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]))
            .collect();
        let mut packer = LabelPacker::default();
        labels.iter().for_each(|l| packer.add(l).unwrap());
        let packed = packer.finish().unwrap();
        let whole: Vec<_> = labels.iter().cloned().map(Some).collect();
        assert_eq!(unpack(&packed, labels.len()), whole);
        let mut damaged = packed.clone();
        damaged[group_offsets(&packed)[1] as usize + 100] ^= 1;
        let got = unpack(&damaged, labels.len());
        assert_eq!(got.iter().filter(|l| l.is_none()).count(), GROUP);
        assert!(got.iter().zip(&whole).all(|(got, want)| got.is_none() || got == want));
        assert_eq!(unpack(&[], 3), [None, None, None]);
    }
}
