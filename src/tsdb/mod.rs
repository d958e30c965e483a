//! The in-process time series database.

pub mod query;

pub use query::{Queryable, Series, StorageError};
