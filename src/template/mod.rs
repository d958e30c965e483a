//! Go's text/template: the language of alert annotations and notification messages.
//!
//! A text is parsed once ([`TemplateSet::parse`]) and executed many times ([`TemplateSet::execute`]) on a [`Value`];
//! structs and types with methods implement [`Object`]. What an action may call comes from Go's own functions and a
//! table of the caller's ([`prometheus`], [`alertmanager`]). Errors are worded as Go words them, and [`Limits`] bound
//! what a template can use up.

pub mod alertmanager;
mod builtin;
mod carry;
mod case;
mod css;
mod error;
pub mod escape;
mod exec;
mod foreign;
pub mod func;
mod html;
pub mod markup;
mod methods;
mod parse;
mod pattern;
pub mod print;
pub mod prometheus;
#[cfg(test)]
mod tests;
pub mod time;
mod time_parse;
mod value;

use std::sync::Arc;

pub use error::{ExecError, ParseError, TemplateError};
use exec::Escaping;
pub use exec::Limits;
pub use foreign::{Foreign, Form};
pub use func::{Function, Host, NoHost, Param};
pub use time::Time;
pub use value::{CallError, List, MapView, Object, SafeKind, Shape, Value};

use parse::Tree;

/// Templates that know each other by name, with the functions they may call. Cloning shares the trees.
#[derive(Clone)]
pub struct TemplateSet {
    trees: exec::Trees,
    functions: &'static [Function],
    limits: Limits,
}

/// A text that was parsed against a set: execute it with [`TemplateSet::execute`].
#[derive(Clone)]
pub struct Template(Kind);

#[derive(Clone)]
enum Kind {
    /// No action in it: it is its own output.
    Plain(Arc<str>),
    /// Its own tree, and what it defines beside it.
    Actions { root: Arc<Tree>, defined: Vec<Arc<Tree>> },
}

impl Template {
    /// The output, when it is the same on all data.
    pub fn constant(&self) -> Option<&str> {
        match &self.0 {
            Kind::Plain(text) => Some(text),
            Kind::Actions { .. } => None,
        }
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Plain(text) => write!(f, "Template({text:?})"),
            Kind::Actions { root, .. } => write!(f, "Template({:?})", root.text),
        }
    }
}

impl TemplateSet {
    /// An empty set whose templates may call Go's own functions and these.
    pub fn new(functions: &'static [Function]) -> Self {
        TemplateSet { trees: exec::Trees::new(), functions, limits: Limits::default() }
    }

    /// Changes what one execution may use up.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds what a text defines. A template of the same name is replaced, unless the new one is empty.
    ///
    /// # Errors
    /// The text is not well formed.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), ParseError> {
        for tree in self.trees_of(name, text)? {
            self.put(Arc::new(tree));
        }
        Ok(())
    }

    fn put(&mut self, tree: Arc<Tree>) {
        if tree.is_empty() && self.trees.contains_key(&tree.name) {
            return;
        }
        self.trees.insert(tree.name.clone(), tree);
    }

    /// Whether a template of this name is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// The names in the set, ascending.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.trees.keys().map(|n| &**n).collect();
        names.sort_unstable();
        names
    }

    /// Parses a text to be executed. What it defines is seen by itself only.
    ///
    /// # Errors
    /// The text is not well formed, or calls a function that does not exist.
    pub fn parse(&self, name: &str, text: &str) -> Result<Template, ParseError> {
        if !text.contains("{{") {
            return Ok(Template(Kind::Plain(Arc::from(text))));
        }
        let mut trees = self.trees_of(name, text)?.into_iter().map(Arc::new);
        let Some(root) = trees.next() else { return Ok(Template(Kind::Plain(Arc::from("")))) };
        Ok(Template(Kind::Actions { root, defined: trees.collect() }))
    }

    fn trees_of(&self, name: &str, text: &str) -> Result<Vec<Tree>, ParseError> {
        parse::parse(name, text, &|function| builtin::find(self.functions, function))
    }

    /// Executes a template on data and gives its output as text.
    ///
    /// # Errors
    /// A field does not exist, a function failed, a limit was reached.
    pub fn execute(&self, template: &Template, data: &Value, host: &dyn Host) -> Result<String, ExecError> {
        self.run(template, data, host, Escaping::None)
    }

    /// Executes a template whose output is HTML: values are escaped for the place they land in.
    ///
    /// # Errors
    /// As [`TemplateSet::execute`].
    pub fn execute_html(&self, template: &Template, data: &Value, host: &dyn Host) -> Result<String, ExecError> {
        self.run(template, data, host, Escaping::Html)
    }

    /// Executes a template whose output is a markup: foreign texts ([`Value::Foreign`]) are escaped for the place they
    /// land in.
    ///
    /// # Errors
    /// As [`TemplateSet::execute`].
    pub fn execute_markup(
        &self,
        template: &Template,
        data: &Value,
        host: &dyn Host,
        dialect: markup::Dialect,
    ) -> Result<String, ExecError> {
        self.run(template, data, host, Escaping::Markup(dialect))
    }

    fn run(&self, template: &Template, data: &Value, host: &dyn Host, escaping: Escaping) -> Result<String, ExecError> {
        match &template.0 {
            Kind::Plain(text) => Ok(text.to_string()),
            Kind::Actions { root, defined } if defined.is_empty() => {
                exec::execute(&self.trees, self.limits, root, data, host, escaping)
            }
            Kind::Actions { root, defined } => {
                let mut own = self.clone();
                defined.iter().for_each(|tree| own.put(tree.clone()));
                exec::execute(&own.trees, own.limits, root, data, host, escaping)
            }
        }
    }
}
