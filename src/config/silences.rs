//! Files of silences: those that recur, and those that are kept beside the configuration.

use std::collections::HashMap;
use std::path::Path;

use chrono::DateTime;

use super::alertmanager::{Location, Matchers, TimeIntervalConfig};
use super::cron::Cron;
use super::yaml::{Decode, Decoder, Duration, MapReader, Node};
use super::{expand_globs, read_text};
use crate::model::{Diagnostic, MatchOp, Matcher, Position};
use crate::section;

section! {
    /// A file of silences.
    pub struct SilenceFile as "silence file" {
        /// The silences.
        silences: Vec<SilenceConfig>,
    }
}

section! {
    /// A silence that the configuration keeps.
    pub struct SilenceConfig as "silence" with check {
        /// Its name: by it the silence is the same after a reload.
        name: String,
        /// What an alert must match, all of it.
        matchers: Matchers,
        /// When it mutes, between its start and its end; always when nothing is said.
        schedule: Option<ScheduleConfig>,
        /// Who answers for it.
        owner: String,
        /// Why.
        reason: String,
        /// From when it is in force; as soon as it is read when nothing is said.
        starts: Option<Timestamp>,
        /// Until when; nothing: as long as it is configured.
        expires: Option<Timestamp>,
        /// How long before its end its owner is told.
        expiry_notice: Option<Duration>,
    }
}

section! {
    /// When a silence mutes: in any of these.
    pub struct ScheduleConfig as "schedule" with check {
        /// Intervals, as Alertmanager's.
        time_intervals: Vec<TimeIntervalConfig>,
        /// From the times of cron expressions on.
        cron: Vec<CronConfig>,
    }
}

section! {
    /// From each time of a cron expression on, for a while.
    pub struct CronConfig as "cron schedule" with check {
        /// When it begins.
        expression: Cron,
        /// For how long.
        duration: Duration,
        /// The time zone; `None` is UTC.
        location: Option<Location>,
    }
}

/// A time in RFC 3339, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamp(pub i64);

impl Decode for Timestamp {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let text = node.text().unwrap_or_default();
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Some(Timestamp(time.timestamp_millis())),
            Err(_) => d.mismatch(node, "a time such as 2026-01-02T03:04:05Z"),
        }
    }
}

/// The longest that one occurrence of a cron schedule may last: 366 days.
const LONGEST: i64 = 366 * 86_400_000;

impl CronConfig {
    fn check(&mut self, m: &MapReader) {
        if !m.has("expression") {
            m.error("expression", "a cron schedule needs an expression");
        }
        if !(1..=LONGEST).contains(&self.duration.0) {
            m.error("duration", "a cron schedule needs a duration of more than zero and at most 366d");
        }
    }
}

impl ScheduleConfig {
    fn check(&mut self, m: &MapReader) {
        if self.time_intervals.is_empty() && self.cron.is_empty() {
            m.error("time_intervals", "a schedule needs time_intervals or cron");
        }
    }
}

impl SilenceConfig {
    fn check(&mut self, m: &MapReader) {
        for key in ["name", "matchers", "owner", "reason"] {
            if !m.is_set(key) {
                m.error(key, format!("a silence needs {key}"));
            }
        }
        let is_empty = |m: &Matcher| matches!(m.op, MatchOp::Equal | MatchOp::Regex) && m.matches_empty();
        if m.is_set("matchers") && self.matchers.0.iter().all(is_empty) {
            m.error("matchers", "at least one matcher must not match the empty string");
        }
        if let (Some(starts), Some(expires)) = (self.starts, self.expires)
            && expires.0 <= starts.0
        {
            m.error("expires", "expires must be after starts");
        }
        if self.expiry_notice.is_some() && self.expires.is_none() {
            m.error("expiry_notice", "expiry_notice needs expires: without it the silence does not end");
        }
    }
}

/// Reads all files that match the patterns; each silence with its file. A pattern without wildcards is a file that is
/// there.
///
/// # Errors
/// Every defect of all of them.
pub fn load(patterns: &[String]) -> Result<Vec<(String, SilenceConfig)>, Vec<Diagnostic>> {
    let (mut silences, mut defects) = (Vec::new(), Vec::new());
    let mut places: HashMap<String, (String, Position)> = HashMap::new();
    let missing = |p: &&String| !p.contains(['*', '?', '[']) && !Path::new(p.as_str()).is_file();
    for pattern in patterns.iter().filter(missing) {
        defects.push(Diagnostic::new(&pattern.as_str().into(), Position::default(), "there is no such file"));
    }
    for file in expand_globs(patterns) {
        match load_file(&file, &mut places) {
            Ok(more) => silences.extend(more.into_iter().map(|silence| (file.clone(), silence))),
            Err(more) => defects.extend(more),
        }
    }
    if defects.is_empty() { Ok(silences) } else { Err(defects) }
}

fn load_file(
    file: &str,
    places: &mut HashMap<String, (String, Position)>,
) -> Result<Vec<SilenceConfig>, Vec<Diagnostic>> {
    let text = read_text(Path::new(file))?;
    let decoder = Decoder::new(file, &text);
    let Some(node) = decoder.document() else { return decoder.finish(None) };
    let read = SilenceFile::decode(&node, &decoder);
    for silence in node.get("silences").and_then(Node::items).unwrap_or_default() {
        let Some(name) = silence.get("name") else { continue };
        let text = name.text().unwrap_or_default();
        if let Some((other, at)) = places.get(text) {
            decoder.error(name.position, format!("found multiple silences with name {text:?}: {other}:{}", at.line));
        } else {
            places.insert(text.to_owned(), (file.to_owned(), name.position));
        }
    }
    decoder.finish(read.map(|file| file.silences))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, SilenceConfig)>, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s.yml"), text).unwrap();
        let root = format!("{}/", dir.path().display());
        load(&[format!("{root}*.yml")])
            .map_err(|all| all.iter().map(|d| d.to_string().replace(&root, "")).collect::<Vec<_>>())
    }

    #[test]
    fn silences_are_read_with_their_schedules() {
        let text = "\
silences:
- name: backup
  matchers: [job=backup, 'severity!=\"critical\"']
  schedule:
    cron: [{expression: '0 2 * * *', duration: 2h, location: Europe/Berlin}]
    time_intervals: [{weekdays: [saturday, sunday]}]
  owner: storage
  reason: nightly
";
        let silences = read(text).unwrap();
        let (_, silence) = &silences[0];
        assert_eq!((silence.name.as_str(), silence.matchers.0.len()), ("backup", 2));
        let schedule = silence.schedule.as_ref().unwrap();
        assert_eq!((schedule.cron[0].duration.0, schedule.time_intervals[0].weekdays.len()), (7_200_000, 2));
    }

    #[test]
    fn defects_have_their_places() {
        let text = "\
silences:
- name: a
  matchers: ['x=~\".*\"']
  owner: o
  schedule: {}
  starts: 2026-01-02T00:00:00Z
  expires: 2026-01-01T00:00:00Z
- name: a
  matchers: [a=b]
  owner: o
  reason: r
  expiry_notice: 7d
  schedule: {cron: [{expression: '61 * * * *'}]}
  starts: tomorrow
";
        let defects = read(text).unwrap_err().join("\n");
        for want in [
            "s.yml:2:3: a silence needs reason",
            "s.yml:3:13: at least one matcher must not match the empty string",
            "s.yml:5:13: a schedule needs time_intervals or cron",
            "s.yml:7:12: expires must be after starts",
            "s.yml:8:9: found multiple silences with name \"a\": ",
            "s.yml:12:18: expiry_notice needs expires",
            "s.yml:13:34: minute: expected 0 to 59, found \"61\"",
            "a cron schedule needs a duration of more than zero",
            "s.yml:14:11: expected a time such as 2026-01-02T03:04:05Z, found",
        ] {
            assert!(defects.contains(want), "{want}\n{defects}");
        }
        let gone = load(&["/nosuch/silences.yml".into()]).unwrap_err();
        assert!(gone[0].to_string().contains("/nosuch/silences.yml"), "{gone:?}");
    }
}
