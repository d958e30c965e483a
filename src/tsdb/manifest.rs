//! What files there should be: so that one that is gone is told at the next start.
//!
//! A checked record of text, a line each: `checkpoint N`, `segment N` (the newest), `block START_END_NUMBER`. It is written
//! after files were made and before files are deleted; a crash in between leaves more files than it names, never fewer.

use std::path::Path;

use super::TsdbError;
use super::block_format::BlockName;
use super::files::{Files, numbered, write_atomically};
use super::log::{MAGIC, Record, Records};

/// The kind of its record.
const MANIFEST: u8 = 32;

/// What files a database consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) checkpoint: Option<u64>,
    pub(super) segment: u64,
    pub(super) blocks: Vec<BlockName>,
}

impl Manifest {
    /// What there is on disk now, as far as files are numbered; `blocks` are those in use.
    pub(super) fn now(files: &Files, blocks: Vec<BlockName>) -> Result<Self, TsdbError> {
        let newest = |dir| Ok::<_, TsdbError>(numbered(dir)?.pop().map(|(n, _)| n));
        Ok(Manifest { checkpoint: newest(&files.checkpoints())?, segment: newest(&files.wal())?.unwrap_or(0), blocks })
    }

    /// Reads the manifest; `Ok(None)` when there is none, the error says what is damaged.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let record = Records::new(&bytes).next().filter(|r| r.kind == MANIFEST);
        let text = record.and_then(|r| std::str::from_utf8(r.payload).ok());
        text.and_then(Self::parse).map(Some).ok_or_else(|| "it does not read as one".to_owned())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut manifest = Manifest::default();
        for line in text.lines() {
            match line.split_once(' ')? {
                ("checkpoint", n) => manifest.checkpoint = Some(n.parse().ok()?),
                ("segment", n) => manifest.segment = n.parse().ok()?,
                ("block", name) => manifest.blocks.push(BlockName::parse(Path::new(&format!("{name}.block")))?),
                _ => {}
            }
        }
        Some(manifest)
    }

    /// Writes the manifest.
    pub(super) fn write(&self, path: &Path) -> Result<(), TsdbError> {
        let mut text = format!("segment {}\n", self.segment);
        if let Some(n) = self.checkpoint {
            text.push_str(&format!("checkpoint {n}\n"));
        }
        self.blocks.iter().for_each(|b| text.push_str(&format!("block {b}\n")));
        let mut bytes = MAGIC.to_vec();
        Record { kind: MANIFEST, sequence: 0, samples: 0, payload: text.as_bytes() }.put(&mut bytes);
        write_atomically(path, |out| std::io::Write::write_all(out, &bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_as_it_was_written_and_a_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest");
        assert_eq!(Manifest::read(&path), Ok(None));
        let blocks =
            vec![BlockName { start: -7_200_000, end: 0, number: 3 }, BlockName { start: 0, end: 9, number: 4 }];
        let manifest = Manifest { checkpoint: Some(7), segment: 12, blocks };
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path), Ok(Some(manifest)));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            std::fs::write(&path, &damaged).unwrap();
            // Damage of the first eight bytes is passed over.
            assert_eq!(Manifest::read(&path).is_err(), at >= MAGIC.len(), "damaged at {at}");
        }
    }
}
