//! What was wrong, and when, as people remember it: how soon a rule set tells, what it misses, and what it tells for nothing.

use std::path::Path;

use crate::config::read_text;
use crate::config::silences::Timestamp;
use crate::config::yaml::{Decode, Decoder, MapReader};
use crate::model::{ALERT_NAME, Diagnostic};
use crate::section;

use super::record::Record;

section! {
    /// A file of incidents.
    pub struct IncidentFile as "incident file" {
        /// The incidents.
        incidents: Vec<IncidentConfig>,
    }
}

section! {
    /// Something that was wrong for a while.
    pub struct IncidentConfig as "incident" with check {
        /// What people call it.
        name: String,
        /// When it began.
        from: Option<Timestamp>,
        /// When it was over.
        to: Option<Timestamp>,
        /// The names of the alerts that should tell of it.
        alerts: Vec<String>,
    }
}

impl IncidentConfig {
    fn check(&mut self, m: &MapReader) {
        for key in ["name", "from", "to", "alerts"] {
            if !m.is_set(key) {
                m.error(key, format!("an incident needs {key}"));
            }
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to.0 <= from.0
        {
            m.error("to", "an incident must end after it begins");
        }
    }
}

/// An incident. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// What people call it.
    pub name: String,
    /// When it began.
    pub from: i64,
    /// When it was over.
    pub to: i64,
    /// The names of the alerts that should tell of it.
    pub alerts: Vec<String>,
}

/// Reads a file of incidents.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path) -> Result<Vec<Incident>, Vec<Diagnostic>> {
    parse(&path.to_string_lossy(), &read_text(path)?)
}

fn parse(file: &str, text: &str) -> Result<Vec<Incident>, Vec<Diagnostic>> {
    let decoder = Decoder::new(file, text);
    let parsed = decoder.document().and_then(|root| IncidentFile::decode(&root, &decoder));
    let time = |t: Option<Timestamp>| t.map_or(0, |t| t.0);
    let incident = |c: IncidentConfig| Incident { name: c.name, from: time(c.from), to: time(c.to), alerts: c.alerts };
    decoder.finish(parsed).map(|file| file.incidents.into_iter().map(incident).collect())
}

/// How a rule set did in its incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detections {
    /// Of each incident that begins in the window, how it was told.
    pub incidents: Vec<Detection>,
    /// Pages outside of all incidents; nothing where nobody is told.
    pub outside: Option<u64>,
}

/// How an incident was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// The incident.
    pub incident: Incident,
    /// How long after its beginning the first of its alerts fired, milliseconds: 0 where it did before.
    pub fired_after: Option<i64>,
    /// How long after its beginning the first page with one of its alerts was sent.
    pub paged_after: Option<i64>,
    /// Its alerts of which none fired while it lasted.
    pub missed: Vec<String>,
}

/// Looks how a record's rules did in these incidents.
pub fn detect(record: &Record, incidents: &[Incident]) -> Detections {
    let window = record.window;
    let seen = incidents.iter().filter(|i| window.from <= i.from && i.from <= window.to);
    let is_in = |at: i64| incidents.iter().any(|i| i.from <= at && at <= i.to);
    let outside = record.told.iter().filter(|t| t.is_page() && !is_in(t.at)).count();
    Detections {
        incidents: seen.map(|incident| detection(record, incident)).collect(),
        outside: record.is_routed.then(|| u64::try_from(outside).unwrap_or(u64::MAX)),
    }
}

fn detection(record: &Record, incident: &Incident) -> Detection {
    let Incident { from, to, alerts, .. } = incident;
    let is_expected = |name: &str| alerts.iter().any(|a| a == name);
    // When each firing alert of the incident fired, no earlier than it began.
    let fired = record.episodes.iter().filter_map(|e| {
        let name = e.labels.value(ALERT_NAME);
        let fires = e.ended_at.is_none_or(|end| end > *from) && is_expected(name);
        let at = e.fired_at.filter(|at| fires && at <= to)?;
        Some((name, at.max(*from)))
    });
    let fired: Vec<(&str, i64)> = fired.collect();
    let paged = record.told.iter().filter(|t| t.is_page() && (*from..=*to).contains(&t.at));
    let paged = paged.filter(|t| t.alertnames.iter().any(|n| is_expected(n))).map(|t| t.at).min();
    Detection {
        incident: incident.clone(),
        fired_after: fired.iter().map(|(_, at)| at - from).min(),
        paged_after: paged.map(|at| at - from),
        missed: alerts.iter().filter(|a| fired.iter().all(|(name, _)| name != a)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_what_is_missing_in_it_is_told() {
        let text = "incidents:\n- name: fan\n  from: 2026-03-02T07:30:00Z\n  to: 2026-03-02T12:25:00Z\n  alerts: [GPUTemperatureHigh]\n";
        let read = parse("i.yaml", text).unwrap();
        assert_eq!((read.len(), read[0].to - read[0].from), (1, (4 * 60 + 55) * 60_000));
        for (text, want) in [
            ("incidents: [{name: x, from: today, to: 2026-03-02T12:25:00Z, alerts: [A]}]", "i.yaml:1:29: "),
            (
                "incidents: [{name: x, from: 2026-03-02T12:25:00Z, to: 2026-03-02T12:25:00Z, alerts: [A]}]",
                "must end after",
            ),
            ("incidents: [{name: x, from: 2026-03-02T12:25:00Z, alerts: [A]}]", "an incident needs to"),
            ("incident: []", "incident"),
        ] {
            let found = parse("i.yaml", text).unwrap_err();
            assert!(found.iter().any(|d| d.to_string().contains(want)), "{found:?}");
        }
    }
}
