//! Texts that alerts bring in, in templates that write markup: see [`super::carry`] for their way through a template.

use std::sync::Arc;

/// A text that an alert brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// As it is.
    pub text: Arc<str>,
    /// What it is.
    pub form: Form,
}

/// What a foreign text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// A link that is meant as one.
    Url,
    /// Foreign texts among a template's own: how they are written between markup.
    Composed(Arc<str>),
}

impl Foreign {
    /// Any text.
    pub fn of(text: impl AsRef<str>) -> Self {
        Foreign { text: Arc::from(text.as_ref()), form: Form::Text }
    }
}
