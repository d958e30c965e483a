//! Templates in notifications: Alertmanager's data, functions and default templates.

mod data;
mod functions;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

pub use data::{AlertData, Data, Kv, Marks};

use super::func::Host;
use super::markup::Dialect;
use super::{ParseError, Template, TemplateError, TemplateSet, Value};

static DEFAULTS: LazyLock<TemplateSet> = LazyLock::new(|| {
    let mut set = TemplateSet::new(&functions::TABLE);
    for text in [include_str!("default.tmpl"), include_str!("email.tmpl")] {
        // They are part of the program, and a test holds that they parse; a set without them would still work for
        // templates of the user's own.
        if let Err(error) = set.add("", text) {
            tracing::error!(%error, "a default template does not parse");
        }
    }
    set
});

/// Notification templates: the defaults, and what the files of `templates:` define over them.
#[derive(Clone)]
pub struct Templates {
    set: TemplateSet,
    tell_values: bool,
    entered: Option<Entered>,
}

/// The names of templates that were executed inside others.
pub type Entered = Arc<Mutex<BTreeSet<Arc<str>>>>;

/// What stands in each template that tells the value of an alert.
pub const VALUE: &str = "Value";

impl Default for Templates {
    fn default() -> Self {
        Templates { set: DEFAULTS.clone(), tell_values: false, entered: None }
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.set.names()).finish()
    }
}

impl Templates {
    /// Adds a file's definitions; they win over earlier ones of the same name.
    ///
    /// # Errors
    /// The file's text is not well formed.
    pub fn add_file(&mut self, file_name: &str, text: &str) -> Result<(), ParseError> {
        self.tell_values |= text.contains(VALUE);
        self.set.add(file_name, text)
    }

    /// The same, noting there which templates are executed inside others.
    pub fn noting(self, entered: Entered) -> Self {
        Templates { entered: Some(entered), ..self }
    }

    /// A template is executed inside another one.
    pub fn note_entered(&self, name: &Arc<str>) {
        if let Some(entered) = &self.entered {
            entered.lock().insert(name.clone());
        }
    }

    /// Whether a file may tell the values of alerts.
    pub fn tell_values(&self) -> bool {
        self.tell_values
    }

    /// Whether a template of this name is defined.
    pub fn contains(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// Parses a field of a receiver.
    ///
    /// # Errors
    /// The text is not well formed.
    pub fn parse(&self, text: &str) -> Result<Template, ParseError> {
        self.set.parse("", text)
    }

    /// Renders a field of a receiver as text. Empty text stays empty without work.
    ///
    /// # Errors
    /// The text is not well formed, or fails on this data.
    pub fn text(&self, text: &str, data: &Value, host: &dyn Host) -> Result<String, TemplateError> {
        let template = self.parse(text)?;
        Ok(self.set.execute(&template, data, host)?)
    }

    /// Renders a field of a receiver as HTML: values are escaped for the place they land in.
    ///
    /// # Errors
    /// As [`Templates::text`].
    pub fn html(&self, text: &str, data: &Value, host: &dyn Host) -> Result<String, TemplateError> {
        let template = self.parse(text)?;
        Ok(self.set.execute_html(&template, data, host)?)
    }

    /// Renders a field of a receiver as a markup: what is marked in the data is escaped for the place it lands in.
    ///
    /// # Errors
    /// As [`Templates::text`].
    pub fn markup(&self, text: &str, data: &Value, host: &dyn Host, dialect: Dialect) -> Result<String, TemplateError> {
        let template = self.parse(text)?;
        Ok(self.set.execute_markup(&template, data, host, dialect)?)
    }
}
