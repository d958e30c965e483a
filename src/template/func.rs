//! Functions: their types, and the table every template has.

use std::sync::Arc;

use crate::model::{Labels, Value as SampleValue};
use crate::template::value::{CallError, Value};

/// An element of the vector a query in a template gives.
#[derive(Clone, Debug, PartialEq)]
pub struct QuerySample {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// Its value.
    pub value: SampleValue,
}

/// What a function may ask of whoever executes the template.
pub trait Host {
    /// The time, milliseconds since the epoch.
    fn now(&self) -> i64 {
        0
    }
    /// Runs a query.
    ///
    /// # Errors
    /// The query's error as text.
    fn query(&self, _query: &str) -> Result<Vec<QuerySample>, String> {
        Err("queries are not available here".into())
    }
    /// A label of the route of the group that is told of; empty when it has none of this name.
    ///
    /// # Errors
    /// The label's own template failed.
    fn route_label(&self, _name: &str) -> Result<String, String> {
        Ok(String::new())
    }
    /// The server's address as users reach it.
    fn external_url(&self) -> &str {
        ""
    }
    /// A template of this name is executed inside another one.
    fn entered(&self, _name: &Arc<str>) {}
}

/// A host that offers nothing.
pub struct NoHost;

impl Host for NoHost {}

/// The Go type of a parameter. An argument that does not fit is an error at that argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// `interface {}`: anything.
    Any,
    /// `string`.
    Str,
    /// `int`.
    Int,
    /// `float64`.
    Float,
    /// `time.Time`.
    Time,
    /// `[]string`.
    Strings,
    /// `[]interface {}`.
    List,
    /// A list of samples, as `query` gives it.
    Samples,
    /// One sample.
    Sample,
}

impl Param {
    /// As Go's errors name the type.
    pub fn name(self) -> &'static str {
        match self {
            Param::Any => "interface {}",
            Param::Str => "string",
            Param::Int => "int",
            Param::Float => "float64",
            Param::Time => "time.Time",
            Param::Strings => "[]string",
            Param::List => "[]interface {}",
            Param::Samples => "template.queryResult",
            Param::Sample => "*template.sample",
        }
    }

    /// Whether a value can be passed as this type.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Param::Any => true,
            Param::Str => value.type_name() == "string",
            Param::Int => matches!(value, Value::Int(_)),
            Param::Float => matches!(value, Value::Float(_)),
            Param::Time => matches!(value, Value::Time(_)),
            Param::Strings | Param::List | Param::Samples => value.type_name() == self.name(),
            Param::Sample => value.type_name() == self.name() || matches!(value, Value::Nil),
        }
    }
}

/// What a function's body takes.
pub type Body = fn(&dyn Host, &[Value]) -> Result<Value, CallError>;

/// A function: its name, its parameters, its body.
pub struct Function {
    /// As templates name it.
    pub name: &'static str,
    /// The fixed parameters.
    pub params: &'static [Param],
    /// The type of any further ones, when it takes more.
    pub variadic: Option<Param>,
    /// The body; it may rely on the number and the types of its arguments.
    pub body: Body,
}

impl Function {
    /// A function with fixed parameters.
    pub const fn fixed(name: &'static str, params: &'static [Param], body: Body) -> Self {
        Function { name, params, variadic: None, body }
    }

    /// A function with fixed parameters and any number of further ones.
    pub const fn variadic(name: &'static str, params: &'static [Param], more: Param, body: Body) -> Self {
        Function { name, params, variadic: Some(more), body }
    }

    /// The type of the argument at a place.
    pub fn param(&self, index: usize) -> Param {
        self.params.get(index).copied().or(self.variadic).unwrap_or(Param::Any)
    }

    /// `and` and `or` stop at the first argument that settles the result: the value of truth that settles it.
    pub fn short_circuits_on(&self) -> Option<bool> {
        match self.name {
            "and" => Some(false),
            "or" => Some(true),
            _ => None,
        }
    }
}
