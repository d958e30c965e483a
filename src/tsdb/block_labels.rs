//! The labels of a block's series: deflated in groups of 1024, each with its checksum, so that a damaged byte costs a group.
//!
//! ```text
//! group    length u32, crc32 u32 of what follows, deflated: (varint size, packed labels)*
//! ```

use std::io::{Read, Write};

use crate::model::Labels;

use super::bits::{Reader, put_uvarint};

/// Series in a group: enough that deflating finds what they have in common.
const GROUP: usize = 1024;
/// Labels of a group do not inflate to more: beyond lies damage.
const MAX_GROUP_BYTES: u64 = 1 << 30;

/// Deflates labels, in the order of the table.
pub(super) fn pack(labels: &[Labels]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    for group in labels.chunks(GROUP) {
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut size = Vec::new();
        for l in group {
            size.clear();
            put_uvarint(&mut size, l.as_bytes().len() as u64);
            deflated.write_all(&size)?;
            deflated.write_all(l.as_bytes())?;
        }
        let deflated = deflated.finish()?;
        for n in [deflated.len() as u32, crc32fast::hash(&deflated)] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&deflated);
    }
    Ok(out)
}

/// The labels of `series` series; `None` for those in a damaged group.
pub(super) fn unpack(packed: &[u8], series: usize) -> Vec<Option<Labels>> {
    let mut all = Vec::with_capacity(series);
    let mut r = Reader::new(packed);
    while all.len() < series {
        let Some((len, crc)) = (|| Some((r.u32()? as usize, r.u32()?)))() else { break };
        let Some(group) = r.take(len) else { break };
        let n = (series - all.len()).min(GROUP);
        all.extend(unpack_whole(group, n, crc32fast::hash(group) == crc));
    }
    all.resize(series, None);
    all
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

    #[test]
    fn a_damaged_byte_costs_one_group() {
        let labels: Vec<Labels> = (0..3 * GROUP + 5)
            .map(|i| Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]))
            .collect();
        let packed = pack(&labels).unwrap();
        let whole: Vec<_> = labels.iter().cloned().map(Some).collect();
        assert_eq!(unpack(&packed, labels.len()), whole);
        let mut damaged = packed.clone();
        damaged[GROUP * 2] ^= 1;
        let got = unpack(&damaged, labels.len());
        assert_eq!(got.iter().filter(|l| l.is_none()).count(), GROUP);
        assert!(got.iter().zip(&whole).all(|(got, want)| got.is_none() || got == want));
        assert_eq!(unpack(&[], 3), [None, None, None]);
    }
}
