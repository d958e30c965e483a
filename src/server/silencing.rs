//! Making and ending silences, whoever asks: the same limits hold, and the log tells it.

use super::app::App;
use crate::engine::live::LiveSilenceError;
use crate::model::time::rfc3339_millis;
use crate::model::{MatchOp, Matcher};
use crate::routing::{NewSilence, SilenceError};

/// Why a silence was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// A limit of the service.
    #[error("{0}")]
    Limit(String),
    /// It cannot be, or could not be stored.
    #[error(transparent)]
    Silence(#[from] LiveSilenceError),
}

/// Makes or changes a silence; its id.
///
/// # Errors
/// It was not accepted, or could not be stored.
pub async fn set(app: &App, new: NewSilence) -> Result<String, Refused> {
    within_limits(app, &new)?;
    let logged = app.service.limits.log_silences.then(|| described(&new));
    let id = app.engine.set_silence(new).await?;
    if let Some(silence) = logged {
        tracing::info!(id, silence, "silence set");
    }
    Ok(id)
}

/// Ends a silence: one that is over already stays so.
///
/// # Errors
/// There is none, or the configuration keeps it, or its end could not be stored.
pub async fn expire(app: &App, id: &str) -> Result<(), LiveSilenceError> {
    match app.engine.expire_silence(id.to_owned()).await {
        Ok(()) => {
            if app.service.limits.log_silences {
                tracing::info!(id, "silence expired");
            }
            Ok(())
        }
        Err(LiveSilenceError::Refused(SilenceError::AlreadyExpired(_))) => Ok(()),
        Err(e) => Err(e),
    }
}

fn described(new: &NewSilence) -> String {
    let matchers: Vec<String> = new.matchers.iter().map(ToString::to_string).collect();
    let (from, until) = (rfc3339_millis(new.starts_at), rfc3339_millis(new.ends_at));
    format!("{{{}}} from {from} until {until} by {}: {}", matchers.join(","), new.created_by, new.comment)
}

fn within_limits(app: &App, new: &NewSilence) -> Result<(), Refused> {
    let limits = &app.service.limits;
    let (view, now) = (app.engine.view(), app.clock.now());
    // An update that would rewrite the past makes a silence too; of one that there is none comes another answer.
    let is_made = match &new.id {
        Some(id) => view.silence(id).is_some_and(|old| !old.is_updated_by(new, now)),
        None => true,
    };
    if limits.silences > 0 && is_made {
        let kept = view.silences().filter(|s| s.configured.is_none()).count();
        if kept >= limits.silences {
            let most = limits.silences;
            return Err(Refused::Limit(format!("exceeded maximum number of silences: {kept} (limit: {most})")));
        }
    }
    let bytes = encoded_len(new, now);
    if limits.silence_bytes > 0 && bytes > limits.silence_bytes {
        let most = limits.silence_bytes;
        return Err(Refused::Limit(format!("silence exceeded maximum size: {bytes} bytes (limit: {most} bytes)")));
    }
    Ok(())
}

/// How long a UUID is.
const ID: usize = 36;

/// How many bytes Alertmanager counts of a silence: those of the protobuf message that it gossips and stores, with the id,
/// the time of the change and the time until which it is kept. The numbers of its fields are all below 16.
fn encoded_len(new: &NewSilence, now: i64) -> usize {
    let matcher = |m: &Matcher| {
        let kind = if m.op == MatchOp::Equal { 0 } else { 2 };
        field(kind + text(&m.name) + text(&m.value))
    };
    let matchers: usize = new.matchers.iter().map(matcher).sum();
    let annotations: usize = new.annotations.iter().map(|(name, value)| field(text(name) + text(value))).sum();
    // The times that the server sets have nanoseconds.
    let nanos = 6;
    let whole_now = now - now.rem_euclid(1000);
    let starts_at = if new.starts_at <= now { field(time(whole_now) + nanos) } else { field(time(new.starts_at)) };
    let (ends_at, updated_at) = (field(time(new.ends_at)), field(time(whole_now) + nanos));
    let said = text(&new.created_by) + text(&new.comment) + annotations;
    // Matchers stand in sets, of which there is one.
    field(field(ID) + field(matchers) + starts_at + ends_at + updated_at + said) + ends_at
}

/// A field of so many bytes: its number, their number, and they themselves.
fn field(len: usize) -> usize {
    1 + varint(len as u64) + len
}

/// A field that is left out when it is empty.
fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { field(text.len()) }
}

/// A timestamp of milliseconds: seconds, and nanoseconds where there are any.
fn time(ms: i64) -> usize {
    let nanos = ms.rem_euclid(1000).unsigned_abs() * 1_000_000;
    let of = |n: u64| if n == 0 { 0 } else { 1 + varint(n) };
    of(ms.div_euclid(1000) as u64) + of(nanos)
}

fn varint(n: u64) -> usize {
    let bits = 64 - (n | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;

    /// What Alertmanager 0.33.1 says in `silence exceeded maximum size`.
    #[test]
    fn a_silence_is_as_long_as_alertmanager_counts() {
        let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let now = at("2026-11-28T10:47:01.123Z");
        let (past, future, end) = ("2026-11-28T10:00:00Z", "2026-12-28T10:00:00Z", "2027-11-28T10:00:00Z");
        let equal = || Matcher::equal("a", "b");
        let regex = || Matcher::of_alerts(MatchOp::Regex, "a", "b").unwrap();
        let long = "x".repeat(300);
        for (matchers, starts_at, ends_at, comment, annotations, want) in [
            (vec![equal()], past, end, "c", vec![], 101),
            (vec![regex()], past, end, "c", vec![], 103),
            (vec![regex(), Matcher::equal("cc", "ddd")], past, "2027-11-28T10:00:00.5Z", "c", vec![], 126),
            (vec![regex()], future, end, "c", vec![], 97),
            (vec![regex()], future, end, "c", vec![("k", "vv")], 106),
            (vec![regex()], future, end, "c", vec![("k", "vv"), ("l", "ww")], 115),
            (vec![regex()], future, end, &long, vec![], 398),
        ] {
            let new = NewSilence {
                id: None,
                matchers,
                starts_at: at(starts_at),
                ends_at: at(ends_at),
                created_by: "me".into(),
                comment: comment.into(),
                annotations: Labels::from_pairs(annotations),
            };
            assert_eq!(encoded_len(&new, now), want, "{new:?}");
        }
    }
}
