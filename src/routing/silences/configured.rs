//! Silences that the configuration keeps: nobody else changes or ends them, and they are not stored.

use std::collections::BTreeSet;

use super::{Silences, uuid};
use crate::model::Labels;
use crate::model::time::rfc3339;
use crate::routing::alert::ReceivedAlert;
use crate::routing::silence::{Silence, SilenceError};

/// The name of the alert that tells of a silence that ends soon.
const EXPIRES_SOON: &str = "WatchbellSilenceExpires";
/// The version of UUIDs whose bits are their maker's own. Those of silences that people make are of version 4.
const OWN_VERSION: u64 = 8;

/// The id of the silence of a name: the same after each reload and start.
pub fn configured_id(name: &str) -> String {
    uuid(OWN_VERSION, name)
}

impl Silences {
    /// From now on the configuration keeps these. One that says what it said before stays as it is.
    pub fn configure(&mut self, configured: &[Silence], now: i64) {
        let kept: BTreeSet<&str> = configured.iter().map(|s| s.id.as_str()).collect();
        let gone = |s: &&Silence| s.configured.is_some() && !kept.contains(s.id.as_str());
        let gone: Vec<String> = self.iter().filter(gone).map(|s| s.id.clone()).collect();
        gone.iter().for_each(|id| self.let_go(id));
        for new in configured {
            let new = Silence { updated_at: now, ..new.clone() };
            match self.get(&new.id).cloned() {
                Some(known) if known == (Silence { updated_at: known.updated_at, ..new.clone() }) => continue,
                // Alerts remember which silences speak of them: with other matchers it is another one to them.
                Some(known) if known.matchers != new.matchers => self.let_go(&new.id),
                _ => {}
            }
            self.keep(new);
        }
    }

    fn let_go(&mut self, id: &str) {
        if let Some(number) = self.numbers.remove(id) {
            self.set.replace(number, None);
        }
    }

    /// A silence that may be changed.
    pub(super) fn changeable(&self, id: &str) -> Result<&Silence, SilenceError> {
        let silence = self.get(id).ok_or(SilenceError::NotFound)?;
        match &silence.configured {
            Some(configured) => Err(SilenceError::Configured { id: id.into(), file: configured.file.clone() }),
            None => Ok(silence),
        }
    }

    /// Alerts that tell of silences whose end comes nearer than their notice. They last until `until` at most, so that one
    /// whose end is put off is told no longer.
    pub fn expiry_notices(&self, now: i64, until: i64) -> Vec<ReceivedAlert> {
        let notice = |s: &Silence| {
            let configured = s.configured.as_ref()?;
            let begins = s.ends_at.saturating_sub(configured.notice?);
            if !(begins..s.ends_at).contains(&now) {
                return None;
            }
            let labels = [("alertname", EXPIRES_SOON), ("silence", &*configured.name), ("owner", &*s.created_by)];
            let ends = rfc3339(s.ends_at);
            let summary = format!("silence {} of {} ends at {ends}", configured.name, s.created_by);
            let description = format!("It is kept in {}: {}", configured.file, s.comment);
            let annotations = Labels::from_pairs([("summary", summary), ("description", description)]);
            Some(ReceivedAlert {
                labels: Labels::from_pairs(labels),
                annotations,
                starts_at: Some(begins),
                ends_at: Some(s.ends_at.min(until)),
                generator_url: String::new(),
            })
        };
        self.iter().filter_map(notice).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Matcher;
    use crate::routing::silence::{Configured, NewSilence, SilenceState};
    use crate::state::Batch;

    fn kept(name: &str, matchers: Vec<Matcher>, ends_at: i64) -> Silence {
        let (file, name) = ("s.yml".to_owned(), name.to_owned());
        Silence {
            id: configured_id(&name),
            matchers,
            starts_at: 0,
            ends_at,
            updated_at: 0,
            created_by: "storage".into(),
            comment: "nightly".into(),
            annotations: Labels::empty(),
            acknowledges: None,
            configured: Some(Arc::new(Configured { file, name, recurrence: None, notice: Some(100) })),
        }
    }

    #[test]
    fn the_configuration_alone_changes_and_ends_what_it_keeps() {
        let (mut silences, mut batch) = (Silences::default(), Batch::default());
        let (a, b) = (Matcher::equal("a", "1"), Matcher::equal("b", "1"));
        let alert = Labels::from_pairs([("a", "1")]);
        silences.configure(&[kept("x", vec![a.clone()], 1000), kept("y", vec![b.clone()], 1000)], 10);
        let id = configured_id("x");
        assert!(silences.is_silenced(&alert, 10) && id.as_bytes()[14] == b'8');
        let error = silences.expire(&id, 20, &mut batch).unwrap_err().to_string();
        assert_eq!(error, format!("silence {id} is configured in s.yml, which alone can change or end it"));
        let (new, id_given) =
            (NewSilence { matchers: vec![a], ends_at: 99, ..NewSilence::default() }, Some(id.clone()));
        assert!(silences.set(NewSilence { id: id_given, ..new }, 20, &mut batch).is_err());
        silences.collect_garbage(i64::MAX, &mut batch);
        assert!(batch.is_empty(), "nothing of it is stored");
        silences.configure(&[kept("x", vec![b], 1000)], 30);
        assert!(!silences.is_silenced(&alert, 30), "it says something else");
        assert_eq!((silences.iter().count(), silences.get(&id).unwrap().updated_at), (1, 30));
        silences.configure(&[], 40);
        assert_eq!(silences.iter().count(), 0);
    }

    #[test]
    fn an_end_is_told_before_it_comes() {
        let mut silences = Silences::default();
        silences.configure(&[kept("x", vec![Matcher::equal("a", "1")], 1000)], 0);
        assert!(silences.expiry_notices(899, 5000).is_empty() && silences.expiry_notices(1000, 5000).is_empty());
        let notice = silences.expiry_notices(900, 950).pop().unwrap();
        assert_eq!((notice.starts_at, notice.ends_at), (Some(900), Some(950)));
        assert_eq!(notice.labels.value("owner"), "storage");
        assert_eq!(silences.get(&configured_id("x")).unwrap().state(1000), SilenceState::Expired);
    }
}
