//! Acknowledging an alert: a silence of that one alert, which ends with it.

use crate::model::{Labels, Matcher};
use crate::state::Batch;

use super::{NEVER, Silences};
use crate::routing::silence::{Silence, SilenceError, SilenceState};

/// The annotation by which clients know such a silence: the fingerprint of its alert.
const ACKNOWLEDGES: &str = "acknowledges";

/// That somebody looks after an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement {
    /// The alert.
    pub alert: Labels,
    /// Who looks after it.
    pub created_by: String,
    /// What there is to say.
    pub comment: String,
    /// Until when at the latest, milliseconds; nothing: until the alert resolves.
    pub ends_at: Option<i64>,
}

impl Silences {
    /// Acknowledges an alert that fires, or changes who did and why. Returns the silence's id.
    ///
    /// # Errors
    /// It would be over already, or there are too many silences.
    pub fn acknowledge(&mut self, new: Acknowledgement, now: i64, batch: &mut Batch) -> Result<String, SilenceError> {
        let Acknowledgement { alert, created_by, comment, ends_at } = new;
        let ends_at = ends_at.unwrap_or(NEVER);
        if ends_at <= now {
            return Err(SilenceError::Over("end time can't be in the past"));
        }
        let known = self.acknowledgement(&alert).filter(|s| s.state(now) == SilenceState::Active).cloned();
        let silence = match known {
            Some(known) => Silence { ends_at, updated_at: now, created_by, comment, ..known },
            None => {
                self.check_room()?;
                let mut silence = Silence {
                    id: String::new(),
                    matchers: alert.iter().map(|(name, value)| Matcher::equal(name, value)).collect(),
                    starts_at: now,
                    ends_at,
                    updated_at: now,
                    created_by,
                    comment,
                    annotations: Labels::from_pairs([(ACKNOWLEDGES, format!("{:016x}", alert.fingerprint()))]),
                    acknowledges: Some(alert),
                    configured: None,
                };
                silence.id = self.next_id(&silence);
                silence
            }
        };
        let id = silence.id.clone();
        self.save(silence, batch);
        Ok(id)
    }

    /// The acknowledgement of an alert, be it that its time is over.
    pub fn acknowledgement(&self, alert: &Labels) -> Option<&Silence> {
        self.get(self.acknowledged.get(alert)?)
    }

    /// The alerts that are acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = &Labels> {
        self.acknowledged.keys()
    }

    /// An alert has resolved: its acknowledgement ends.
    pub fn alert_ended(&mut self, alert: &Labels, now: i64, batch: &mut Batch) {
        let Some(silence) = self.acknowledged.remove(alert).and_then(|id| self.get(&id).cloned()) else { return };
        if silence.state(now) != SilenceState::Expired {
            self.end(silence, now, batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryStore, StateStore};

    fn by(who: &str, alert: &Labels) -> Acknowledgement {
        Acknowledgement {
            alert: alert.clone(), created_by: who.into(), comment: "أنا عليه".into(), ends_at: None
        }
    }

    #[test]
    fn an_acknowledgement_is_of_one_alert_until_that_ends_over_restarts() {
        let (mut silences, mut batch) = (Silences::default(), Batch::default());
        let alert = Labels::from_pairs([("alertname", "A")]);
        let other = Labels::from_pairs([("alertname", "A"), ("i", "1")]);
        let id = silences.acknowledge(by("amal", &alert), 10, &mut batch).unwrap();
        assert!(silences.is_silenced(&alert, 10) && !silences.is_silenced(&other, 10));
        assert_eq!(silences.acknowledge(by("basim", &alert), 20, &mut batch).unwrap(), id, "taken over");
        // The clock is set back: it is the same one still.
        assert!(silences.is_silenced(&alert, 5));
        assert_eq!(silences.acknowledge(by("basim", &alert), 5, &mut batch).unwrap(), id);
        let store = MemoryStore::default();
        store.apply(&batch).unwrap();
        let mut again = Silences::load(&store.load().unwrap());
        assert_eq!(again.acknowledgement(&alert).unwrap().created_by, "basim");
        again.alert_ended(&other, 30, &mut batch);
        assert!(again.is_silenced(&alert, 30));
        again.alert_ended(&alert, 30, &mut batch);
        assert!(!again.is_silenced(&alert, 30));
        assert!(!again.is_silenced(&alert, 25), "nor when the clock is set back");
        store.apply(&batch).unwrap();
        let again = Silences::load(&store.load().unwrap());
        assert!(again.acknowledgement(&alert).is_none() && again.get(&id).is_some_and(|s| s.ends_at == 30));
    }

    #[test]
    fn an_acknowledgement_may_have_an_end_and_be_ended() {
        let (mut silences, mut batch) = (Silences::default(), Batch::default());
        let alert = Labels::from_pairs([("alertname", "A")]);
        let until = |ends_at| Acknowledgement { ends_at: Some(ends_at), ..by("amal", &alert) };
        assert!(silences.acknowledge(until(10), 10, &mut batch).is_err());
        let first = silences.acknowledge(until(20), 10, &mut batch).unwrap();
        assert!(!silences.is_silenced(&alert, 20));
        let second = silences.acknowledge(by("amal", &alert), 30, &mut batch).unwrap();
        assert_ne!(first, second, "the first is over");
        // In whatever order they are read again, it is the second that ends with the alert.
        for ids in [[&first, &second], [&second, &first]] {
            let mut again = Silences::default();
            ids.into_iter().for_each(|id| again.keep(silences.get(id).unwrap().clone()));
            again.alert_ended(&alert, 35, &mut Batch::default());
            assert!(!again.is_silenced(&alert, 40), "{ids:?}");
        }
        silences.expire(&second, 40, &mut batch).unwrap();
        assert!(!silences.is_silenced(&alert, 40) && silences.acknowledgement(&alert).is_none());
        silences.alert_ended(&alert, 50, &mut batch);
        assert_eq!(silences.get(&second).unwrap().ends_at, 40);
    }
}
