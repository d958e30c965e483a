//! What a message said, as the history keeps it.

use serde_json::Value as Json;

use crate::history::{Decision, RenderedProblem, What};
use crate::model::cut;

use super::Notification;
use super::receivers::{Problem, messages};

/// Longest title and longest text that are kept, characters.
const LONGEST_TITLE: usize = 500;
const LONGEST_TEXT: usize = 4_000;
/// Most fields whose templates failed that are kept.
const MOST_PROBLEMS: usize = 10;

/// The title and the text of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub text: Option<String>,
}

impl Said {
    /// A text without a title.
    pub fn plain(text: &str) -> Said {
        Said { title: None, text: Some(cut(text, LONGEST_TEXT)) }
    }

    /// Of a message of this kind, by its payload.
    pub fn of(kind: &str, payload: &Json) -> Said {
        let kept = |text: Option<&str>, most: usize| text.map(|text| cut(text, most));
        Said {
            title: kept(messages::title(kind, payload), LONGEST_TITLE),
            text: kept(messages::text(kind, payload), LONGEST_TEXT),
        }
    }
}

/// What is recorded of a message that its receiver took; nothing where there is nothing to read.
pub fn rendered(notification: &Notification, said: Said, problems: &[Problem], now: i64) -> Option<Decision> {
    let Said { title, text } = said;
    if title.is_none() && text.is_none() && problems.is_empty() {
        return None;
    }
    let problem = |p: &Problem| RenderedProblem { field: p.field.clone(), error: cut(&p.error, LONGEST_TITLE) };
    let problems = problems.iter().take(MOST_PROBLEMS).map(problem).collect();
    let integration = &notification.integration;
    Some(Decision {
        group_key: Some(notification.group_key.clone()),
        receiver: Some(integration.receiver.clone()),
        integration: Some(format!("{}[{}]", integration.kind, integration.index).into()),
        notification: Some(notification.id),
        ..Decision::new(now, What::Rendered { title, text, problems })
    })
}
