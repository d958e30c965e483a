//! A sealed segment: decisions in compressed blocks, and an index that says which blocks may hold what.
//!
//! Everything is made of [frames](crate::state::frames), so what is damaged costs itself alone: a block its decisions, the
//! index the quickness. The last frame has one length; it says where the index is, and what of the segment is kept in
//! memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::state::frames::{self, HEADER, Reader};

use super::record::{Recorded, lines};
use super::terms::{self, Term};

/// Blocks are numbered by a byte.
const MOST_BLOCKS: usize = 256;
/// The least text of a block, bytes, where the segment has so much.
const BLOCK: usize = 64 << 10;
/// The longest text of a block: a single decision with many alerts may be long. Nothing is allocated by what a file says.
const LONGEST_BLOCK: usize = 64 << 20;
/// The longest index.
const LONGEST_INDEX: u64 = 256 << 20;

const BLOCK_TAG: u8 = b'D';
const INDEX_TAG: u8 = b'I';
const END_TAG: u8 = b'E';
/// Tag and six numbers.
const END: usize = 1 + 6 * 8;
const BLOCK_ROW: usize = 4 * 8;
const TERM_ROW: usize = 8 + 4;

/// What is known of a segment without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// How many decisions there are.
    pub records: u64,
    /// The number of the last one.
    pub last: u64,
    /// Their earliest time, milliseconds.
    pub from: i64,
    /// Their latest time, milliseconds.
    pub to: i64,
}

impl Extent {
    /// Of no decision.
    pub fn none() -> Self {
        Extent { records: 0, last: 0, from: i64::MAX, to: i64::MIN }
    }

    /// Takes in a decision.
    pub fn add(&mut self, number: u64, time: i64) {
        self.records += 1;
        self.last = self.last.max(number);
        (self.from, self.to) = (self.from.min(time), self.to.max(time));
    }
}

/// A segment in the making.
#[derive(Default)]
struct Builder {
    out: Vec<u8>,
    text: String,
    at_least: usize,
    extent: Option<Extent>,
    rows: Vec<[u64; 4]>,
    postings: BTreeMap<Term, Vec<u8>>,
    block: Option<Extent>,
}

/// Makes a segment of decisions, as lines in order of their numbers. Lines that do not decode are left out and counted.
///
/// # Errors
/// It would be too long.
pub(super) fn seal<'a>(all: impl Iterator<Item = &'a str>, bytes: usize) -> io::Result<(Vec<u8>, Extent, u64)> {
    let at_least = BLOCK.max(bytes / (MOST_BLOCKS - 2));
    let mut builder = Builder { at_least, ..Builder::default() };
    let mut unreadable = 0;
    for line in all {
        match Recorded::parse(line) {
            Ok(recorded) => builder.add(line, &recorded)?,
            Err(_) => unreadable += 1,
        }
    }
    let (out, extent) = builder.finish()?;
    Ok((out, extent, unreadable))
}

impl Builder {
    fn add(&mut self, line: &str, recorded: &Recorded) -> io::Result<()> {
        if self.text.len() >= self.at_least && self.rows.len() + 1 < MOST_BLOCKS {
            self.end_block()?;
        }
        self.text.push_str(line);
        self.text.push('\n');
        let time = recorded.decision.time.0;
        self.block.get_or_insert(Extent::none()).add(recorded.seq, time);
        self.extent.get_or_insert(Extent::none()).add(recorded.seq, time);
        let block = u8::try_from(self.rows.len()).unwrap_or(u8::MAX);
        terms::of(&recorded.decision, |term| {
            let blocks = self.postings.entry(term).or_default();
            if blocks.last() != Some(&block) {
                blocks.push(block);
            }
        });
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let Some(extent) = self.block.take() else { return Ok(()) };
        let mut payload = vec![BLOCK_TAG];
        payload.extend(snap::raw::Encoder::new().compress_vec(self.text.as_bytes()).map_err(io::Error::other)?);
        let offset = self.out.len() as u64;
        frames::write(&mut self.out, &payload)?;
        let [from, to] = [extent.from, extent.to].map(i64::cast_unsigned);
        self.rows.push([offset, self.out.len() as u64 - offset, from, to]);
        self.text.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(Vec<u8>, Extent)> {
        self.end_block()?;
        let offset = self.out.len() as u64;
        let mut payload = vec![INDEX_TAG];
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
        payload.extend(count(self.rows.len()));
        payload.extend(count(self.postings.len()));
        self.rows.iter().flatten().for_each(|n| payload.extend(n.to_le_bytes()));
        let mut end = 0;
        for (term, blocks) in &self.postings {
            end += blocks.len();
            payload.extend(term.to_le_bytes());
            payload.extend(count(end));
        }
        self.postings.values().for_each(|blocks| payload.extend(blocks));
        frames::write(&mut self.out, &payload)?;
        let extent = self.extent.unwrap_or(Extent::none());
        let length = self.out.len() as u64 - offset;
        let mut payload = vec![END_TAG];
        let Extent { records, last, from, to } = extent;
        [offset, length, records, last, from.cast_unsigned(), to.cast_unsigned()]
            .iter()
            .for_each(|n| payload.extend(n.to_le_bytes()));
        frames::write(&mut self.out, &payload)?;
        Ok((self.out, extent))
    }
}

/// A sealed segment that is being read.
pub(super) struct Segment {
    file: File,
    bytes: u64,
    /// What is kept of it; nothing where its end is damaged.
    pub extent: Option<Extent>,
    index: Option<(u64, u64)>,
}

/// The blocks in which to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockAt {
    offset: u64,
    length: u64,
    /// The earliest and the latest time in it; unknown where the index is damaged.
    pub times: Option<(i64, i64)>,
}

fn read_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// The payload of the one frame that these bytes are.
fn payload(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let payload = Reader::new(bytes).next()?;
    let (found, rest) = payload.split_first()?;
    (*found == tag && payload.len() + HEADER == bytes.len()).then_some(rest)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn small(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

impl Segment {
    /// Opens a file, and reads its end.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub fn open(path: &Path) -> io::Result<Segment> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let end = (HEADER + END) as u64;
        let read = bytes.checked_sub(end).map(|offset| read_at(&file, offset, end)).transpose()?;
        let numbers = read.as_deref().and_then(|read| {
            let rest = payload(read, END_TAG)?;
            (0..6).map(|i| number(rest, i * 8)).collect::<Option<Vec<u64>>>()
        });
        let (extent, index) = match numbers.as_deref() {
            Some([offset, length, records, last, from, to]) => {
                let [from, to] = [from, to].map(|n| n.cast_signed());
                (Some(Extent { records: *records, last: *last, from, to }), Some((*offset, *length)))
            }
            _ => (None, None),
        };
        let index = index.filter(|(offset, length)| *length < LONGEST_INDEX && offset.saturating_add(*length) <= bytes);
        Ok(Segment { file, bytes, extent, index })
    }

    /// The blocks that may hold a decision with all the terms of one of these sets; all of them without any set. And
    /// whether the index says so: where it is damaged, all blocks that can be found are given.
    pub fn blocks(&self, sets: &[Vec<Term>]) -> io::Result<(Vec<BlockAt>, bool)> {
        if let Some((offset, length)) = self.index {
            let bytes = read_at(&self.file, offset, length)?;
            if let Some(found) = payload(&bytes, INDEX_TAG).and_then(|index| Index::of(index)?.blocks(sets)) {
                return Ok((found, true));
            }
        }
        let bytes = read_at(&self.file, 0, self.bytes)?;
        let mut reader = Reader::new(&bytes);
        let mut found = Vec::new();
        while let Some(frame) = reader.next() {
            let length = frame.len() + HEADER;
            if frame.first() == Some(&BLOCK_TAG) {
                let offset = (reader.position() - length) as u64;
                found.push(BlockAt { offset, length: length as u64, times: None });
            }
        }
        Ok((found, false))
    }

    /// The lines of a block; nothing where it is damaged.
    pub fn read(&self, block: BlockAt) -> io::Result<Option<String>> {
        if block.offset.saturating_add(block.length) > self.bytes {
            return Ok(None);
        }
        let bytes = read_at(&self.file, block.offset, block.length)?;
        let Some(packed) = payload(&bytes, BLOCK_TAG) else { return Ok(None) };
        let fits = snap::raw::decompress_len(packed).is_ok_and(|n| n <= LONGEST_BLOCK);
        let text = fits.then(|| snap::raw::Decoder::new().decompress_vec(packed).ok()).flatten();
        Ok(text.and_then(|text| String::from_utf8(text).ok()))
    }

    /// The number of the last decision that can be read: for a segment whose end is damaged.
    pub fn last_readable(&self) -> io::Result<Option<u64>> {
        let mut last = None;
        for block in self.blocks(&[])?.0 {
            let text = self.read(block)?.unwrap_or_default();
            last = last.max(lines(&text).filter_map(|line| Recorded::parse(line).ok()).map(|r| r.seq).max());
        }
        Ok(last)
    }
}

/// An index, by its bytes.
struct Index<'a> {
    rows: &'a [u8],
    terms: &'a [u8],
    lists: &'a [u8],
}

impl<'a> Index<'a> {
    fn of(bytes: &'a [u8]) -> Option<Index<'a>> {
        let (blocks, terms) = (small(bytes, 0)?, small(bytes, 4)?);
        let (rows, rest) = bytes.get(8..)?.split_at_checked(blocks.checked_mul(BLOCK_ROW)?)?;
        let (terms, lists) = rest.split_at_checked(terms.checked_mul(TERM_ROW)?)?;
        Some(Index { rows, terms, lists })
    }

    /// The blocks that a term is in.
    fn find(&self, term: Term) -> Option<&'a [u8]> {
        let row = |at: usize| number(self.terms, at * TERM_ROW);
        let end = |at: usize| small(self.terms, at * TERM_ROW + 8);
        let (mut low, mut high) = (0, self.terms.len() / TERM_ROW);
        while low < high {
            let middle = low + (high - low) / 2;
            match row(middle)?.cmp(&term) {
                std::cmp::Ordering::Equal => {
                    let from = middle.checked_sub(1).map_or(Some(0), end)?;
                    return self.lists.get(from..end(middle)?);
                }
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Some(&[])
    }

    fn blocks(&self, sets: &[Vec<Term>]) -> Option<Vec<BlockAt>> {
        let count = self.rows.len() / BLOCK_ROW;
        let mut wanted = [sets.is_empty(); MOST_BLOCKS];
        for set in sets {
            let mut of_set = [0_usize; MOST_BLOCKS];
            for term in set {
                for block in self.find(*term)? {
                    of_set.get_mut(usize::from(*block)).into_iter().for_each(|n| *n += 1);
                }
            }
            wanted.iter_mut().zip(of_set).for_each(|(wanted, found)| *wanted |= found == set.len());
        }
        let wanted = wanted.iter().enumerate().take(count).filter(|(_, wanted)| **wanted);
        wanted
            .map(|(at, _)| {
                let [offset, length, from, to] = [0, 8, 16, 24].map(|n| number(self.rows, at * BLOCK_ROW + n));
                let times = Some((from?.cast_signed(), to?.cast_signed()));
                Some(BlockAt { offset: offset?, length: length?, times })
            })
            .collect()
    }
}
