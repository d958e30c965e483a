//! Checksummed records in a file: each stands alone, so that a damaged one costs itself and no other.
//!
//! A frame is a mark, the length and the CRC-32 of what follows, and the payload. A reader that finds a frame damaged
//! looks for the next mark; what it skipped is told.

use std::io;

/// The beginning of every frame.
const MARK: [u8; 4] = *b"wbR1";
/// How much longer a frame is than its payload.
pub(crate) const HEADER: usize = 12;
/// The longest payload. Nothing is allocated by what a file says.
const MAX_PAYLOAD: usize = 256 << 20;

/// Appends a frame.
///
/// # Errors
/// The payload is too long for one.
pub(crate) fn write(out: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    let fits = |n: &u32| usize::try_from(*n).is_ok_and(|n| n <= MAX_PAYLOAD);
    let length = u32::try_from(payload.len()).ok().filter(fits).ok_or(io::ErrorKind::InvalidInput)?;
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(&length.to_le_bytes(), payload).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

fn checksum(length: &[u8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(length);
    crc.update(payload);
    crc.finalize()
}

/// Reads the frames of a file's bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last good frame ended, if nothing before it was damaged: what follows may be a torn end.
    pub good_until: usize,
    /// Whether something that is not a frame stands before a good one.
    pub damaged: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0, good_until: 0, damaged: false }
    }

    /// Where the frame that was read last ends.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The payload of the frame that begins at an offset.
    fn frame(&self, at: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(at..)?;
        let (header, rest) = rest.split_at_checked(HEADER)?;
        let (mark, numbers) = header.split_at_checked(4)?;
        let (length, crc) = numbers.split_at_checked(4)?;
        let bytes = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        if mark != MARK || bytes > MAX_PAYLOAD {
            return None;
        }
        let payload = rest.get(..bytes)?;
        (checksum(length, payload) == u32::from_le_bytes(crc.try_into().ok()?)).then_some(payload)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut at = self.at;
        while at < self.bytes.len() {
            if let Some(payload) = self.frame(at) {
                self.damaged |= at != self.at;
                self.at = at + HEADER + payload.len();
                if !self.damaged {
                    self.good_until = self.at;
                }
                return Some(payload);
            }
            let next = self.bytes.get(at + 1..)?.windows(MARK.len()).position(|w| w == MARK)?;
            at += 1 + next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut out = Vec::new();
        for payload in ["one", "", "three wbR1 three", "four"] {
            write(&mut out, payload.as_bytes()).unwrap();
        }
        out
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        let bytes = file();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.by_ref().collect::<Vec<_>>(), [&b"one"[..], b"", b"three wbR1 three", b"four"]);
        assert!(!reader.damaged && reader.good_until == bytes.len());
    }

    #[test]
    fn every_flipped_bit_costs_one_frame() {
        for bit in 0..file().len() * 8 {
            let mut bytes = file();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Reader::new(&bytes).count(), 3, "bit {bit}");
        }
    }

    #[test]
    fn a_torn_end_is_no_damage() {
        let bytes = file();
        for length in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..length]);
            let whole = reader.by_ref().count();
            assert!(whole < 4 && !reader.damaged, "{length}");
            assert!(reader.good_until <= length);
        }
    }
}
