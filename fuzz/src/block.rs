//! Any bytes as a block's file.

use super::stored::{directory, survives};

const ENTRY: usize = 40;
/// Of a footer: table, series, labels, samples, mint, maxt (u64), table_crc, labels_crc, parts (u32), sums (u64),
/// sums_crc (u32), the checksum of these, the magic.
const FOOTER: usize = 84;

/// The first byte says which checksums are made to fit, so that what lies behind them is reached: 1 the footer's, 2 the
/// table's and the regions', 4 the labels', 8 the chunks'.
pub fn run(data: &[u8]) {
    let Some((flags, file)) = data.split_first() else { return };
    let mut file = file.to_vec();
    seal(*flags, &mut file);
    let dir = directory();
    let blocks = dir.path().join("blocks");
    std::fs::create_dir_all(&blocks).unwrap();
    std::fs::write(blocks.join("0_7200000_00000000.block"), &file).unwrap();
    survives(dir.path());
}

/// Makes checksums fit, as far as places in the file say where they are. `None` when they lead nowhere.
fn seal(flags: u8, file: &mut [u8]) -> Option<()> {
    let end = file.len().checked_sub(2 * FOOTER)?;
    let number = |file: &[u8], at: usize| Some(u64::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let (table, labels, sums) = (number(file, end)?, number(file, end + 16)?, number(file, end + 60)?);
    if flags & 2 != 0 {
        let mut at = table;
        while at.checked_add(ENTRY)? <= labels.min(end) {
            let offset = number(file, at + 8)?;
            let len = u32::from_le_bytes(*file.get(at + 16..)?.first_chunk()?) as usize;
            if let Some(region) = offset.checked_add(len).and_then(|to| file.get(offset..to)) {
                let crc = crc32fast::hash(region);
                put(file, at + 4, crc)?;
            }
            at += ENTRY;
        }
        let crc = crc32fast::hash(file.get(table..labels)?);
        put(file, end + 48, crc)?;
    }
    if flags & 4 != 0 && sums > labels {
        let group = u32::from_le_bytes(*file.get(labels..)?.first_chunk()?) as usize;
        let crc = crc32fast::hash(file.get(labels + 8..labels.checked_add(8)?.checked_add(group)?)?);
        put(file, labels + 4, crc)?;
        let crc = crc32fast::hash(file.get(labels..sums)?);
        put(file, end + 52, crc)?;
    }
    if flags & 8 != 0 {
        let crc = crc32fast::hash(file.get(sums..end)?);
        put(file, end + 68, crc)?;
    }
    if flags & 1 != 0 {
        let crc = crc32fast::hash(file.get(end..end + FOOTER - 12)?);
        put(file, end + FOOTER - 12, crc)?;
        file.copy_within(end..end + FOOTER, end + FOOTER);
    }
    Some(())
}

fn put(file: &mut [u8], at: usize, crc: u32) -> Option<()> {
    *file.get_mut(at..)?.first_chunk_mut()? = crc.to_le_bytes();
    Some(())
}
