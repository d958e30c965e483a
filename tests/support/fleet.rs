//! The demo's fleet in a storage of the test's own, for as long and as finely as the test needs.

use watchbell::fleet::Fleet;
use watchbell::model::Labels;
use watchbell::tsdb::Tsdb;

/// Where the fleet's counters begin, milliseconds: a Monday.
pub const ORIGIN: i64 = 1_699_833_600_000;
/// When its incident begins: after eight days of quiet.
pub const INCIDENT: i64 = ORIGIN + 8 * 86_400_000;

/// The fleet's series that `keep` wants, from `from` to `to` every `step` (milliseconds).
pub fn filled(from: i64, to: i64, step: i64, keep: impl Fn(&Labels) -> bool) -> Tsdb {
    let fleet = Fleet::new(7, ORIGIN, INCIDENT);
    let db = Tsdb::in_memory();
    let times: Vec<i64> = (from..=to).step_by(step as usize).collect();
    let mut values = vec![0.0; times.len()];
    for series in fleet.series().iter().filter(|s| keep(&s.labels)) {
        series.fill(from, step, &mut values);
        let at = db.series_ref(&series.labels).unwrap();
        db.append_column(at, &times, &values).unwrap();
    }
    db
}
