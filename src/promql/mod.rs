//! The query language: text to tree ([`ast`], through a dialect in front of promql-parser), tree to [`Plan`], plan to
//! result over the series of a [`crate::tsdb::Queryable`].
//!
//! ```text
//! source ──dialect──► ast ──planner──► Plan ──ops──► QueryValue + Annotations
//!                                              │
//!                                             func (pure functions of windows and values)
//! ```
//!
//! A plan is compiled once and evaluated any number of times. An evaluation is synchronous; series stream through the
//! operators one by one over a column of steps, of which an instant query has one. All of that is one thread, unless the
//! caller lends [`Helpers`]: then a large query's leaves read series on several, and hand them over in the same order.

pub mod annotations;
pub mod ast;
mod block;
mod comparison;
mod compile;
mod dialect;
mod env;
pub mod error;
mod explain;
mod features;
pub mod func;
mod leaves;
pub mod limits;
mod names;
mod ops;
pub mod plan;
mod planner;
pub mod pretty;
mod profile;
pub mod script;
mod section;
mod shared;
mod stack;
pub mod steps;
pub mod value;

pub use annotations::{Annotations, Note, Severity, Span};
pub use comparison::{Comparison, comparison};
pub use compile::{CompileOptions, compile, parse, parse_and};
pub use dialect::MAX_QUERY_LEN;
pub(crate) use dialect::unquote;
pub use env::{EvalEnv, RequestTerms};
pub use error::{EvalError, PromqlError};
pub use explain::OutlineLine;
pub use features::Features;
pub use func::ValueType;
pub use limits::{CancelToken, Helpers, Limits};
pub(crate) use ops::arithmetic::compare;
pub use plan::{Plan, SelectorInfo};
pub use profile::NodeStats;
pub use shared::{Common, TickCache};
pub use value::{EvalStats, Evaluated, QueryValue, RangeSeries, VectorSample};
