//! The query language.

pub mod annotations;
pub mod func;
pub mod steps;

pub use annotations::{Annotations, Note, Span};
pub use func::ValueType;
