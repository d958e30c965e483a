//! An element of a query's result, as templates see it.

use crate::model::{Labels, Value as SampleValue};
use crate::template::{Object, Shape, Value};

pub(super) fn sample_value(value: &SampleValue) -> Value {
    match value {
        SampleValue::Float(v) => Value::Float(*v),
        SampleValue::Histogram(h) => Value::from(h.to_string()),
    }
}

/// An element of a query's result, as templates see it.
pub(super) struct Sample {
    pub labels: Labels,
    pub value: Value,
}

impl Object for Sample {
    fn type_name(&self) -> &'static str {
        "*template.sample"
    }
    fn shape(&self) -> Shape<'_> {
        Shape::Struct(vec![("Labels", Value::labels(&self.labels)), ("Value", self.value.clone())])
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Labels" => Some(Value::labels(&self.labels)),
            "Value" => Some(self.value.clone()),
            _ => None,
        }
    }
}
