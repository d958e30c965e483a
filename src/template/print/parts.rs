//! Values as printing sees them: their own text, or their parts.

use std::sync::Arc;

use crate::template::time::duration;
use crate::template::value::{Shape, Value};

/// The text of a value that has Go's `String` method.
pub(super) fn stringer(value: &Value) -> Option<String> {
    match value {
        Value::Time(t) => Some(t.to_string()),
        Value::Duration(d) => Some(duration(*d)),
        Value::Object(o) => o.text(),
        _ => None,
    }
}

/// The parts of a composite value, as printing sees them.
pub(super) enum Parts {
    List(Vec<Value>),
    Map(Vec<(Arc<str>, Value)>),
    Struct(Vec<(&'static str, Value)>),
}

pub(super) fn parts(value: &Value) -> Option<Parts> {
    match value {
        Value::List(l) => Some(Parts::List(l.items.clone())),
        Value::Map(m) => Some(Parts::Map(m.entries())),
        Value::Object(o) => match o.shape() {
            Shape::Struct(fields) => Some(Parts::Struct(fields)),
            Shape::List(l) => Some(Parts::List(l.to_vec())),
            Shape::Map(m) => Some(Parts::Map(m.entries())),
            Shape::Int(_) => None,
        },
        _ => None,
    }
}
