//! Queries over series of our own.

use std::sync::Arc;

use super::{Querier, QueryError};
use crate::promql::{EvalEnv, Evaluated, Plan};
use crate::tsdb::Queryable;

/// Answers by our operators over a storage.
#[derive(Clone)]
pub struct LocalQuerier(Arc<dyn Queryable>);

impl LocalQuerier {
    /// A querier over a storage.
    pub fn new(storage: Arc<dyn Queryable>) -> Self {
        LocalQuerier(storage)
    }
}

impl Querier for LocalQuerier {
    fn instant(&self, plan: &Plan, at: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        Ok(plan.instant(&*self.0, at, env)?)
    }

    fn range(&self, plan: &Plan, start: i64, end: i64, step: i64, env: &EvalEnv) -> Result<Evaluated, QueryError> {
        Ok(plan.range(&*self.0, start, end, step, env)?)
    }

    fn waits(&self) -> bool {
        false
    }
}
