//! Errors of templates, in the words of Go's text/template.

/// A template's text is not well formed: `template: NAME:LINE: ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The template's name.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A template failed while it ran: `template: NAME:LINE:COLUMN: executing "NAME" at <NODE>: ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExecError {
    /// What went wrong, and where.
    pub message: String,
    /// Whether a limit was reached: the same template may do on less data.
    pub exhausted: bool,
}

/// Either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// See [`ParseError`].
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// See [`ExecError`].
    #[error(transparent)]
    Exec(#[from] ExecError),
}

impl TemplateError {
    /// Whether a limit was reached: the same template may do on less data.
    pub fn is_exhausted(&self) -> bool {
        matches!(self, TemplateError::Exec(e) if e.exhausted)
    }
}
