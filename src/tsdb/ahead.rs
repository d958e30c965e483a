//! Samples of the future: what a clock that was ahead let in. They would keep every later sample of their series out
//! (none is older than the newest), so they are set aside once the clock is back: into files beside the blocks, which
//! nobody reads by itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TsdbError;
use super::block::{Block, LabelCursor};
use super::block_format::BlockName;
use super::block_writer::{Merged, Region, mix, write_block};
use super::chunk::{ChunkEncoder, WINDOW_MS, window_end};
use super::cut::cut;
use super::db::{Disk, Inner, Tsdb};
use super::files::{because, list};
use super::housekeeping::Housekeeping;
use super::late::{LateSample, chunks_of};
use super::series::{MemSeries, State};

/// Files of samples set aside that are kept, the newest.
const MOST_FILES: usize = 8;

/// What was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetAside {
    /// Samples.
    pub samples: u64,
    /// Series in memory that had some.
    pub series: u64,
    /// Where they are; nowhere without a disk.
    pub files: Vec<PathBuf>,
}

impl Tsdb {
    /// Takes out all samples after `now`, because the clock that let them in was wrong. Appends wait meanwhile.
    ///
    /// # Errors
    /// They could not be written elsewhere. What was not is where it was; this can be called again.
    pub fn set_future_aside(&self, now: i64) -> Result<SetAside, TsdbError> {
        let inner = self.inner();
        let mut housekeeping = inner.housekeeping.lock();
        let mut writer = inner.writer.lock();
        let ahead: Vec<Arc<MemSeries>> = inner.index.read().iter().filter(|s| s.newest() > now).cloned().collect();
        let blocks = inner.blocks.load().iter().any(|b| b.footer.maxt > now);
        let mut done = SetAside { series: ahead.len() as u64, ..SetAside::default() };
        if ahead.is_empty() && !blocks {
            return Ok(done);
        }
        let mut encoder = ChunkEncoder::default();
        ahead.iter().for_each(|s| s.write(|state| state.seal_ahead(now, &mut encoder)));
        if let Some(disk) = &inner.disk {
            let dir = disk.files.ahead();
            std::fs::create_dir_all(&dir).map_err(because("cannot create", &dir))?;
            inner.save_ahead(disk, &mut housekeeping, &ahead, now, &mut done)?;
            inner.cut_blocks(disk, &mut housekeeping, now, &mut done)?;
            drop_oldest(disk)?;
        } else {
            done.samples = ahead.iter().map(|s| s.with(|state| state.count_ahead(now, &mut encoder))).sum();
        }
        ahead.iter().for_each(|s| s.drop_ahead(now, &mut encoder));
        (housekeeping.flushed, housekeeping.late_flushed) = (None, None);
        inner.counters.set_aside.add(done.samples);
        inner.set_min_valid(now);
        inner.find_newest();
        // The log still holds them: a checkpoint takes its place before anything else is appended.
        if let (Some(disk), Some(wal)) = (&inner.disk, &mut writer.wal) {
            let (segment, sequence) = (wal.rotate()?, wal.sequence);
            inner.write_checkpoint(disk, &housekeeping, segment, sequence)?;
        }
        Ok(done)
    }
}

impl Inner {
    /// Writes what the head has of the future.
    fn save_ahead(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        ahead: &[Arc<MemSeries>],
        now: i64,
        done: &mut SetAside,
    ) -> Result<(), TsdbError> {
        let newest = ahead.iter().map(|s| s.newest()).max().unwrap_or(now);
        let name = name_ahead(housekeeping, now, newest);
        let mut encoder = ChunkEncoder::default();
        let mut rest = ahead.iter();
        let written = write_block(&disk.files.ahead(), name, Merged::default(), |region: &mut Region| {
            Ok(rest.find_map(|s| {
                s.with(|state| state.collect_ahead(now, region, &mut encoder));
                (region.samples > 0).then(|| (s.id, s.labels.clone()))
            }))
        })?;
        done.note(written.as_deref());
        Ok(())
    }

    /// Takes the future out of blocks: those of nothing else go as they are, others are written again without it.
    fn cut_blocks(
        &self,
        disk: &Disk,
        housekeeping: &mut Housekeeping,
        now: i64,
        done: &mut SetAside,
    ) -> Result<(), TsdbError> {
        let blocks: Vec<Arc<Block>> = self.blocks.load().iter().filter(|b| b.footer.maxt > now).cloned().collect();
        let whole: Vec<Arc<Block>> = blocks.iter().filter(|b| b.footer.mint > now).cloned().collect();
        self.write_manifest(disk, &whole)?;
        for block in blocks {
            if block.footer.mint > now {
                let to = block.name.path(&disk.files.ahead());
                std::fs::rename(&block.path, &to).map_err(because("cannot set aside", &block.path))?;
                self.blocks.change(Vec::new(), &[block.name]);
                done.samples += block.footer.samples;
                done.files.push(to);
                continue;
            }
            let name = name_ahead(housekeeping, now, block.footer.maxt);
            done.note(self.part_of(&block, &disk.files.ahead(), name, now, true)?.as_deref());
            // Under the name it had, so that a crash leaves one of the two.
            let kept = self.part_of(&block, &disk.files.blocks(), block.name, now, false)?;
            self.blocks.change(kept.into_iter().collect(), &[block.name]);
        }
        self.write_manifest(disk, &[])
    }

    /// Writes the part of a block that is after `now`, or the other one. What does not decode stays behind.
    fn part_of(
        &self,
        block: &Block,
        dir: &Path,
        name: BlockName,
        now: i64,
        ahead: bool,
    ) -> Result<Option<Arc<Block>>, TsdbError> {
        let mut labels = LabelCursor::new(block);
        let mut encoder = ChunkEncoder::default();
        let mut rest = 0..block.series();
        write_block(dir, name, Merged::again(block), |region: &mut Region| {
            for at in rest.by_ref() {
                let Some((entry, bytes, _)) = block.region_at(at) else { continue };
                let (before, after) = cut(&bytes, now, &mut encoder).unwrap_or_default();
                let wanted = if ahead { after } else { before };
                wanted.iter().for_each(|c| region.push(&c.bytes, c.count(), c.mint, c.maxt));
                let known = || self.index.read().get(entry.id).map(|s| s.labels.clone());
                match labels.get(at).or_else(known) {
                    Some(labels) if region.samples > 0 => return Ok(Some((entry.id, labels))),
                    _ => region.clear(),
                }
            }
            Ok(None)
        })
    }
}

impl SetAside {
    fn note(&mut self, written: Option<&Block>) {
        if let Some(block) = written {
            self.samples += block.footer.samples;
            self.files.push(block.path.clone());
        }
    }
}

fn name_ahead(housekeeping: &mut Housekeeping, now: i64, newest: i64) -> BlockName {
    let number = housekeeping.next_block;
    housekeeping.next_block += 1;
    BlockName { start: now.div_euclid(WINDOW_MS).saturating_mul(WINDOW_MS), end: window_end(newest), number }
}

fn drop_oldest(disk: &Disk) -> Result<(), TsdbError> {
    let mut files: Vec<(u64, PathBuf)> =
        list(&disk.files.ahead())?.into_iter().filter_map(|p| Some((BlockName::parse(&p)?.number, p))).collect();
    files.sort();
    let surplus = files.len().saturating_sub(MOST_FILES);
    for (_, path) in files.into_iter().take(surplus) {
        std::fs::remove_file(&path).map_err(because("cannot remove", &path))?;
    }
    Ok(())
}

impl State {
    fn seal_ahead(&mut self, now: i64, encoder: &mut ChunkEncoder) {
        if self.tail.bounds().is_some_and(|(_, last)| last > now) {
            self.seal(encoder);
        }
    }

    fn collect_ahead(&self, now: i64, region: &mut Region, encoder: &mut ChunkEncoder) {
        for c in self.chunks.iter().filter(|c| c.maxt > now) {
            let after = cut(&c.bytes, now, encoder).map(|(_, after)| after).unwrap_or_default();
            after.iter().for_each(|c| region.push(&c.bytes, c.count(), c.mint, c.maxt));
        }
        let late = self.late().iter().filter(|s| s.t > now).cloned();
        chunks_of(late, encoder).iter().for_each(|c| mix(region, &c.bytes, encoder));
    }

    fn count_ahead(&self, now: i64, encoder: &mut ChunkEncoder) -> u64 {
        let mut region = Region::default();
        self.collect_ahead(now, &mut region, encoder);
        u64::from(region.samples)
    }
}

impl MemSeries {
    /// Drops the samples after `now`; blocks no longer have any.
    fn drop_ahead(&self, now: i64, encoder: &mut ChunkEncoder) {
        self.write(|state| {
            let from = state.chunks.partition_point(|c| c.maxt <= now);
            for chunk in state.chunks.split_off(from) {
                state.chunks.extend(cut(&chunk.bytes, now, encoder).map(|(before, _)| before).unwrap_or_default());
            }
            let flushed = self.newest_flushed(now);
            if state.flushed_until > now {
                state.flushed_until = flushed.map_or(i64::MIN, |t| t.saturating_add(1));
            }
            let newest = state.chunks.last().map(|c| c.maxt).or(flushed).unwrap_or(i64::MIN);
            self.set_newest(newest);
            // What was late beside the future is in order without it.
            let late = state.take_late_after(newest).into_iter();
            for LateSample { t, st, value } in late.filter(|s| s.t <= now) {
                self.push(state, t, value, st, encoder);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Labels, Matcher, SampleBuf};
    use crate::tsdb::query::Queryable;
    use crate::tsdb::{AppendError, TsdbOptions};

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn labels(i: usize) -> Labels {
        Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
    }

    fn scrape(db: &Tsdb, t: i64) -> Result<(), AppendError> {
        let mut a = db.appender();
        for i in 0..3 {
            a.append(&labels(i), t, t as f64)?;
        }
        a.commit().unwrap();
        Ok(())
    }

    fn times(db: &Tsdb) -> Vec<i64> {
        let mut buf = SampleBuf::default();
        let all = db.select(&[Matcher::equal("i", "1")], i64::MIN, i64::MAX).unwrap();
        all[0].read(i64::MIN, i64::MAX, false, &mut buf).unwrap();
        let newest = all[0].latest(i64::MIN, i64::MAX).unwrap().map(|(t, _)| t);
        assert_eq!(newest, buf.ts.last().copied());
        buf.ts
    }

    fn open(dir: &std::path::Path) -> Tsdb {
        let (db, recovery) = Tsdb::open(dir, TsdbOptions { retention_ms: 15 * DAY }).unwrap();
        assert!(recovery.is_clean(), "{recovery:?}");
        db
    }

    /// Scrapes every minute for two days, then under a clock that is ahead for a while.
    fn leap(db: &Tsdb, from: i64, by: i64, minutes: i64) -> Vec<i64> {
        let mut want = Vec::new();
        for t in (from..from + 2 * DAY).step_by(MINUTE as usize) {
            scrape(db, t).unwrap();
            want.push(t);
            if t % HOUR == 0 {
                db.maintain(t).unwrap();
            }
        }
        for k in 0..minutes {
            let t = from + 2 * DAY + by + k * MINUTE;
            scrape(db, t).unwrap();
            db.maintain(t).unwrap();
        }
        want
    }

    #[test]
    fn after_a_leap_of_the_clock_and_back_scrapes_go_on_and_no_block_is_lost() {
        // In the head alone, in the head's and a block's window, in blocks of its own, beyond the retention.
        for (by, minutes) in [(2 * HOUR, 1), (HOUR, 200), (7 * HOUR, 400), (5 * MINUTE, 5), (40 * DAY, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let db = open(dir.path());
            let start = 1000 * DAY + 17 * MINUTE;
            // The service holds the retention while it does not trust a clock.
            db.hold_retention(by > HOUR);
            let mut want = leap(&db, start, by, minutes);
            let mut now = start + 2 * DAY + minutes * MINUTE;
            // An hour's leap over 200 minutes has let in samples of minutes that have come meanwhile.
            want.extend((0..minutes).map(|k| start + 2 * DAY + by + k * MINUTE).filter(|t| *t <= now));
            assert_eq!(scrape(&db, now), Err(AppendError::OutOfOrder), "{by}");
            let done = db.set_future_aside(now).unwrap();
            let samples = (0..minutes).filter(|k| start + 2 * DAY + by + k * MINUTE > now).count() as u64;
            assert_eq!((done.samples, done.series), (3 * samples, 3), "{by}");
            assert!(!done.files.is_empty() && done.files.iter().all(|f| f.exists()));
            assert_eq!(times(&db), want, "{by}");
            db.hold_retention(false);
            for _ in 0..400 {
                now += MINUTE;
                scrape(&db, now).unwrap();
                want.push(now);
                if now % HOUR < MINUTE {
                    db.maintain(now).unwrap();
                }
            }
            assert_eq!(times(&db), want, "{by}");
            drop(db);
            let db = open(dir.path());
            assert_eq!(times(&db), want, "after a kill: {by}");
            assert_eq!(db.set_future_aside(now).unwrap(), SetAside::default());
        }
    }

    #[test]
    fn retention_counts_from_the_newest_sample_that_is_not_in_the_future() {
        let dir = tempfile::tempdir().unwrap();
        let db = open(dir.path());
        let start = 1000 * DAY;
        for hour in 0..48 {
            scrape(&db, start + hour * HOUR).unwrap();
        }
        db.maintain(start + 2 * DAY + 3 * HOUR).unwrap();
        let blocks = db.stats().blocks;
        assert!(blocks > 0);
        // Nothing new came in for months: what is there stays.
        db.maintain(start + 90 * DAY).unwrap();
        assert_eq!(db.stats().blocks, blocks);
        // A sample far ahead moves nothing by a clock that is right.
        let mut a = db.appender();
        a.append(&labels(9), start + 80 * DAY, 1.0).unwrap();
        a.commit().unwrap();
        db.maintain(start + 3 * DAY).unwrap();
        assert_eq!(db.stats().blocks, blocks);
        // While the clock is not trusted, nothing is deleted and nothing refused by it.
        db.hold_retention(true);
        db.maintain(start + 81 * DAY).unwrap();
        assert!(db.stats().blocks >= blocks);
        scrape(&db, start + 3 * DAY).unwrap();
        db.hold_retention(false);
        db.maintain(start + 81 * DAY + 3 * HOUR).unwrap();
        // What was in memory of that time goes to a block first.
        db.maintain(start + 81 * DAY + 3 * HOUR).unwrap();
        assert!(db.stats().mint.unwrap() >= start + 60 * DAY);
    }

    #[test]
    fn without_files_the_future_is_dropped() {
        let db = Tsdb::in_memory();
        scrape(&db, 10 * HOUR).unwrap();
        scrape(&db, 12 * HOUR).unwrap();
        assert_eq!(db.set_future_aside(11 * HOUR).unwrap().samples, 3);
        scrape(&db, 11 * HOUR).unwrap();
        assert_eq!(times(&db), [10 * HOUR, 11 * HOUR]);
        assert_eq!(db.stats().samples_set_aside, 3);
    }
}
