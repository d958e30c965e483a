//! From text to a plan, and from a plan to its result.

use std::sync::Arc;

use super::ast::Expr;
use super::env::EvalEnv;
use super::error::{EvalError, PromqlError};
use super::features::Features;
use super::func::ValueType;
use super::plan::{NodeKind, Plan};
use super::steps::StepGrid;
use super::value::Evaluated;
use super::{dialect, ops, planner, stack};
use crate::model::re2;
use crate::tsdb::Queryable;

/// What `compile` needs to know.
#[derive(Clone, Debug, Default)]
pub struct CompileOptions {
    /// Switches of the language.
    pub features: Features,
}

/// Compiles a query.
///
/// # Errors
/// What is wrong with it, and where.
pub fn compile(source: &str, options: &CompileOptions) -> Result<Arc<Plan>, PromqlError> {
    let parsed = dialect::parse(source, &options.features).map_err(|f| f.locate(source))?;
    let plan = || re2::within_budget(|| planner::plan(&parsed.expr, &options.features));
    let (nodes, root) = stack::with_room_for(parsed.depth, plan).map_err(|f| f.locate(source))?;
    let number = match nodes.get(root.0 as usize).map(|n| &n.kind) {
        Some(NodeKind::Number(v)) => Some(*v),
        _ => None,
    };
    let features = options.features;
    Ok(Arc::new(Plan { source: source.to_owned(), nodes, root, features, depth: parsed.depth, number }))
}

/// Parses a query into its syntax tree, for tools that work on the text.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(source: &str, options: &CompileOptions) -> Result<Expr, PromqlError> {
    dialect::parse(source, &options.features).map(|p| p.expr).map_err(|f| f.locate(source))
}

/// Parses a query and gives what `look` makes of its tree, with room for a walk as deep as the tree.
///
/// # Errors
/// What is wrong with the query, and where.
pub fn parse_and<T: Send>(
    source: &str,
    options: &CompileOptions,
    look: impl Fn(&Expr) -> T + Sync,
) -> Result<T, PromqlError> {
    let parsed = dialect::parse(source, &options.features).map_err(|f| f.locate(source))?;
    Ok(stack::with_room_for(parsed.depth, || look(&parsed.expr)))
}

impl Plan {
    /// Evaluates at one time.
    ///
    /// # Errors
    /// Prometheus' errors of execution, limits, storage.
    pub fn instant(&self, storage: &dyn Queryable, at: i64, env: &EvalEnv) -> Result<Evaluated, EvalError> {
        stack::with_room_for(self.depth, || ops::run(self, storage, StepGrid::instant(at), true, env))
    }

    /// Evaluates at every step from `start` to `end` (inclusive).
    ///
    /// # Errors
    /// As [`Plan::instant`]; also when the result is not a scalar or a vector.
    pub fn range(
        &self,
        storage: &dyn Queryable,
        start: i64,
        end: i64,
        step: i64,
        env: &EvalEnv,
    ) -> Result<Evaluated, EvalError> {
        if !matches!(self.result_type(), ValueType::Scalar | ValueType::Vector) {
            let found = self.result_type().documented();
            let text = format!("invalid expression type {found:?} for range query, must be Scalar or instant Vector");
            return Err(EvalError::Execution(text));
        }
        let grid = StepGrid::range(start, end, step);
        if grid.len() > env.limits.max_steps {
            return Err(EvalError::TooManySamples);
        }
        stack::with_room_for(self.depth, || ops::run(self, storage, grid, false, env))
    }
}
