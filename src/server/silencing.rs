//! Making and ending silences, whoever asks: the same limits hold, and the log tells it.

use super::app::App;
use crate::engine::live::LiveSilenceError;
use crate::model::time::rfc3339_millis;
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
    if limits.silences > 0 && new.id.is_none() {
        let kept = app.engine.view().silences().filter(|s| s.configured.is_none()).count();
        if kept >= limits.silences {
            let most = limits.silences;
            return Err(Refused::Limit(format!("exceeded maximum number of silences: {kept} (limit: {most})")));
        }
    }
    let matchers: usize = new.matchers.iter().map(|m| m.name.len() + m.value.len()).sum();
    let bytes = matchers + new.comment.len() + new.created_by.len() + new.annotations.as_bytes().len();
    if limits.silence_bytes > 0 && bytes > limits.silence_bytes {
        let most = limits.silence_bytes;
        return Err(Refused::Limit(format!("silence exceeded maximum size: {bytes} bytes (limit: {most} bytes)")));
    }
    Ok(())
}
