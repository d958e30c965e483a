//! Any records as the write-ahead log, behind any records as a checkpoint.

use super::stored::{directory, survives};

/// The head of a record in the input: its kind, samples, and the length of its payload (two bytes).
const HEAD: usize = 4;
/// A record of this kind and the next ones is written with a checksum that does not fit.
const DAMAGED: u8 = 0x80;
/// Ends the checkpoint: the log follows.
const SEGMENT: u8 = 0x7f;

/// The input is a sequence of records, each with a short head. They get their frames and checksums here, so that what lies
/// behind the checksums is reached; the rest of the input that makes no record is the torn end of the log.
pub fn run(data: &[u8]) {
    let dir = directory();
    let (mut files, mut sequence, mut rest) = (vec![Vec::from(MAGIC)], 0u64, data);
    while let Some((&[kind, samples, low, high], after)) = rest.split_first_chunk::<HEAD>() {
        if kind == SEGMENT {
            files.push(MAGIC.to_vec());
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let Some((payload, after)) = after.split_at_checked(usize::from(u16::from_le_bytes([low, high]))) else {
            break;
        };
        if let Some(file) = files.last_mut() {
            frame(kind, sequence, samples, payload, file);
        }
        sequence += u64::from(samples);
        rest = after;
    }
    if let Some(file) = files.last_mut() {
        file.extend_from_slice(rest);
    }
    // With one file there is only a log; with more the first one is the checkpoint before it.
    let checkpoint = if files.len() > 1 { Some(files.remove(0)) } else { None };
    std::fs::create_dir_all(dir.path().join("wal")).unwrap();
    for (i, file) in files.iter().enumerate().take(4) {
        std::fs::write(dir.path().join(format!("wal/{:08}", i + 1)), file).unwrap();
    }
    if let Some(file) = checkpoint {
        std::fs::create_dir_all(dir.path().join("checkpoint")).unwrap();
        std::fs::write(dir.path().join("checkpoint/00000001"), file).unwrap();
    }
    survives(dir.path());
}

const MAGIC: &[u8; 8] = b"WBLOG\0\0\x01";

fn frame(kind: u8, sequence: u64, samples: u8, payload: &[u8], out: &mut Vec<u8>) {
    let mut checked = vec![kind & !DAMAGED];
    checked.extend_from_slice(&sequence.to_le_bytes());
    checked.extend_from_slice(&u32::from(samples).to_le_bytes());
    checked.extend_from_slice(payload);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&(crc32fast::hash(&checked) ^ u32::from(kind & DAMAGED != 0)).to_le_bytes());
    out.extend_from_slice(&checked);
}
