//! The form of a block's file, as far as it is of fixed size: its name, its table's entries, its end.

use std::path::{Path, PathBuf};

use super::SeriesRef;
use super::bits::Reader;

/// The first and the last bytes of a block.
pub(super) const MAGIC: &[u8; 8] = b"WBBLOCK3";
const MAGIC_2: &[u8; 8] = b"WBBLOCK2";
const MAGIC_1: &[u8; 8] = b"WBBLOCK1";
/// Bytes of an entry of the table, and of one with an id of 32 bits.
pub(super) const ENTRY: usize = 44;
const SHORT_ENTRY: usize = 40;
/// Bytes of the end, by version.
pub(super) const FOOTER: usize = 112;
const FOOTER_2: usize = 84;
const FOOTER_1: usize = 72;

/// Which version of the form a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// Labels in one piece, no checksums of chunks, one footer.
    First,
    /// Ids of 32 bits, no index of labels.
    Second,
    /// What is written.
    #[default]
    Third,
}

impl Version {
    const ALL: [Version; 3] = [Version::Third, Version::Second, Version::First];

    fn magic(self) -> &'static [u8; 8] {
        match self {
            Version::First => MAGIC_1,
            Version::Second => MAGIC_2,
            Version::Third => MAGIC,
        }
    }

    fn footer(self) -> usize {
        match self {
            Version::First => FOOTER_1,
            Version::Second => FOOTER_2,
            Version::Third => FOOTER,
        }
    }

    /// How often the footer is there.
    fn footers(self) -> usize {
        if self == Version::First { 1 } else { 2 }
    }

    /// Bytes of an entry of the table.
    pub(super) fn entry(self) -> usize {
        if self == Version::Third { ENTRY } else { SHORT_ENTRY }
    }

    /// Whether a file begins as one.
    pub(super) fn begins(file: &[u8]) -> bool {
        Self::ALL.iter().any(|v| file.starts_with(v.magic()))
    }
}

/// The end of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Footer {
    pub(super) version: Version,
    pub(super) table: u64,
    pub(super) series: u64,
    pub(super) labels: u64,
    pub(super) samples: u64,
    pub(super) mint: i64,
    pub(super) maxt: i64,
    pub(super) table_crc: u32,
    pub(super) labels_crc: u32,
    /// Merged of so many blocks that the head wrote; 0: it is one of those.
    pub(super) parts: u32,
    /// 0 in a block without them.
    pub(super) sums: u64,
    pub(super) sums_crc: u32,
    /// The index of labels; 0 in a block without one.
    pub(super) index: u64,
    pub(super) index_crc: u32,
    /// The lowest and the highest rank among the blocks it was merged of: it replaces those within its span that have
    /// such ranks.
    pub(super) replaces: (u64, u64),
}

impl Footer {
    /// The footer's bytes, its checksum and the magic included.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER);
        for v in [self.table, self.series, self.labels, self.samples, self.mint as u64, self.maxt as u64] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        for v in [self.table_crc, self.labels_crc, self.parts] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&self.sums.to_le_bytes());
        out.extend_from_slice(&self.sums_crc.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.index_crc.to_le_bytes());
        out.extend_from_slice(&self.replaces.0.to_le_bytes());
        out.extend_from_slice(&self.replaces.1.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    /// Reads the footer at the end of a file, and gives where the first of them begins. Of two, one is enough.
    pub(super) fn read(file: &[u8]) -> Option<(Self, usize)> {
        Version::ALL.into_iter().find_map(|version| {
            let (len, n) = (version.footer(), version.footers());
            let begin = file.len().checked_sub(n * len)?;
            let footer = (0..n).find_map(|k| {
                let from = begin + k * len;
                Self::parse(file.get(from..from + len)?, version)
            })?;
            Some((footer, begin))
        })
    }

    fn parse(bytes: &[u8], version: Version) -> Option<Self> {
        let (checked, rest) = bytes.split_at_checked(bytes.len().checked_sub(12)?)?;
        let mut r = Reader::new(rest);
        if r.u32()? != crc32fast::hash(checked) || r.rest() != version.magic() {
            return None;
        }
        let mut r = Reader::new(checked);
        let mut footer = Footer {
            version,
            table: r.u64()?,
            series: r.u64()?,
            labels: r.u64()?,
            samples: r.u64()?,
            mint: r.i64()?,
            maxt: r.i64()?,
            table_crc: r.u32()?,
            labels_crc: r.u32()?,
            parts: r.u32()?,
            ..Footer::default()
        };
        if version >= Version::Second {
            (footer.sums, footer.sums_crc) = (r.u64()?, r.u32()?);
        }
        if version >= Version::Third {
            (footer.index, footer.index_crc, footer.replaces) = (r.u64()?, r.u32()?, (r.u64()?, r.u64()?));
        }
        Some(footer)
    }

    /// Whether both footers of a file are as they were written; `begin` is where the first is.
    pub(super) fn is_whole(&self, file: &[u8], begin: usize) -> bool {
        let len = self.version.footer();
        self.version == Version::First || file.get(begin..begin + len) == file.get(begin + len..)
    }
}

/// Where a series is in a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: SeriesRef,
    pub(super) crc: u32,
    pub(super) offset: u64,
    pub(super) len: u32,
    pub(super) samples: u32,
    pub(super) mint: i64,
    pub(super) maxt: i64,
}

impl Entry {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.samples.to_le_bytes());
        out.extend_from_slice(&self.mint.to_le_bytes());
        out.extend_from_slice(&self.maxt.to_le_bytes());
    }

    /// The id at the front of an entry, whose length tells how wide it is.
    pub(super) fn id(entry: &[u8]) -> Option<SeriesRef> {
        let mut r = Reader::new(entry);
        Some(SeriesRef(if entry.len() == ENTRY { r.u64()? } else { r.u32()?.into() }))
    }

    pub(super) fn parse(entry: &[u8]) -> Option<Self> {
        let id = Self::id(entry)?;
        let mut r = Reader::new(entry.get(if entry.len() == ENTRY { 8 } else { 4 }..)?);
        Some(Entry {
            id,
            crc: r.u32()?,
            offset: r.u64()?,
            len: r.u32()?,
            samples: r.u32()?,
            mint: r.i64()?,
            maxt: r.i64()?,
        })
    }

    /// Whether the series has samples in the interval.
    pub(super) fn is_within(&self, mint: i64, maxt: i64) -> bool {
        self.maxt >= mint && self.mint <= maxt
    }
}

/// The span of time a block is cut for, and its number: the order in which blocks were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockName {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) number: u64,
}

impl std::fmt::Display for BlockName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Times before 1970 have a sign, which the separator must not be taken for.
        write!(f, "{}_{}_{:08}", self.start, self.end, self.number)
    }
}

impl BlockName {
    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{self}.block"))
    }

    pub(super) fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".block")?;
        let mut parts = stem.split('_');
        let name = BlockName {
            start: parts.next()?.parse().ok()?,
            end: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(name)
    }
}
