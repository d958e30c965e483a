//! How much is kept: by age, by size, by share of the disk. What any of them says goes.

use std::fmt;

use crate::model::duration;

/// How much is kept; zero is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Retention {
    /// Samples older than this, milliseconds, are dropped.
    pub time: i64,
    /// The oldest blocks are dropped while all files hold more bytes than this.
    pub bytes: u64,
    /// The oldest blocks are dropped while all files hold more than this percentage of the disk they lie on.
    pub percentage: f64,
}

impl Retention {
    /// By age alone.
    pub fn by_time(time: i64) -> Self {
        Retention { time, ..Retention::default() }
    }

    /// The bytes that files may hold, on a disk of a size; `None` for any number.
    pub(super) fn most_bytes(&self, disk: Option<u64>) -> Option<u64> {
        let share = disk.filter(|_| self.percentage > 0.0).map(|size| (size as f64 * self.percentage / 100.0) as u64);
        share.into_iter().chain(Some(self.bytes).filter(|b| *b > 0)).min()
    }
}

/// As Prometheus shows it: `15d or 512MiB`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = (self.time > 0).then(|| duration::format(self.time));
        let size = (self.bytes > 0).then(|| in_units(self.bytes));
        let share = (self.percentage > 0.0).then(|| format!("{}%", self.percentage));
        let all: Vec<String> = time.into_iter().chain(size).chain(share).collect();
        f.write_str(&all.join(" or "))
    }
}

/// A number of bytes in units of powers of 1024, the largest first: `1GiB512MiB`.
fn in_units(bytes: u64) -> String {
    let units = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"];
    let (mut rest, mut text) = (bytes, String::new());
    for (unit, power) in units.into_iter().zip([60, 50, 40, 30, 20, 10, 0_u32]) {
        let count = rest >> power;
        rest -= count << power;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn the_smaller_bound_counts() {
        let bounds = |bytes, percentage| Retention { time: 0, bytes, percentage };
        assert_eq!(bounds(0, 0.0).most_bytes(Some(1000)), None);
        assert_eq!(bounds(7, 0.0).most_bytes(None), Some(7));
        assert_eq!(bounds(0, 12.5).most_bytes(Some(1000)), Some(125));
        assert_eq!(bounds(200, 12.5).most_bytes(Some(1000)), Some(125));
        assert_eq!(bounds(100, 12.5).most_bytes(Some(1000)), Some(100));
    }

    #[test]
    fn it_is_shown_as_prometheus_shows_it() {
        let retention = |time, bytes, percentage| Retention { time, bytes, percentage }.to_string();
        assert_eq!(retention(15 * 24 * HOUR, 0, 0.0), "15d");
        assert_eq!(retention(24 * HOUR, 512 << 20, 0.0), "1d or 512MiB");
        assert_eq!(retention(0, 3 << 29, 12.5), "1GiB512MiB or 12.5%");
    }
}
