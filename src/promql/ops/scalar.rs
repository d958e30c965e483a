//! Scalars over the steps of a grid.

use super::super::error::EvalError;
use super::super::plan::{NodeId, NodeKind, QueryScalar};
use super::super::steps::StepGrid;
use super::arithmetic;
use super::eval::Eval;
use crate::model::stale::NORMAL_NAN;

/// A scalar at every step; one value when it is the same everywhere.
pub(super) enum ScalarColumn {
    Constant(f64),
    Steps(Vec<f64>),
}

impl ScalarColumn {
    /// The value at a step.
    #[inline]
    pub fn at(&self, step: usize) -> f64 {
        match self {
            ScalarColumn::Constant(v) => *v,
            ScalarColumn::Steps(vs) => vs.get(step).copied().unwrap_or(NORMAL_NAN),
        }
    }

    /// All values, one when it is the same everywhere.
    pub fn values(&self) -> &[f64] {
        match self {
            ScalarColumn::Constant(v) => std::slice::from_ref(v),
            ScalarColumn::Steps(vs) => vs,
        }
    }

    fn zip(self, other: ScalarColumn, f: impl Fn(f64, f64) -> f64) -> ScalarColumn {
        use ScalarColumn::{Constant, Steps};
        match (self, other) {
            (Constant(a), Constant(b)) => Constant(f(a, b)),
            (Steps(a), Constant(b)) => Steps(a.into_iter().map(|a| f(a, b)).collect()),
            (Constant(a), Steps(b)) => Steps(b.into_iter().map(|b| f(a, b)).collect()),
            (Steps(a), Steps(b)) => Steps(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect()),
        }
    }
}

impl Eval<'_> {
    /// Evaluates a scalar node.
    pub(super) fn scalar(&self, id: NodeId, grid: &StepGrid) -> Result<ScalarColumn, EvalError> {
        let node = self.node(id);
        if node.invariant && grid.len() > 1 {
            return Ok(ScalarColumn::Constant(self.scalar(id, &StepGrid::instant(grid.start))?.at(0)));
        }
        Ok(match &node.kind {
            NodeKind::Number(v) => ScalarColumn::Constant(*v),
            NodeKind::QueryScalar(what) => self.query_scalar(*what, grid),
            NodeKind::Negate(x) => self.scalar(*x, grid)?.zip(ScalarColumn::Constant(0.0), |v, _| -v),
            NodeKind::ScalarMinMax { max, left, right } => {
                let pick = if *max { arithmetic::larger } else { arithmetic::smaller };
                self.scalar(*left, grid)?.zip(self.scalar(*right, grid)?, pick)
            }
            NodeKind::ScalarBinary { op, left, right } => {
                let op = *op;
                self.scalar(*left, grid)?.zip(self.scalar(*right, grid)?, move |l, r| arithmetic::scalars(op, l, r))
            }
            NodeKind::VectorToScalar(input) => self.vector_to_scalar(*input, grid)?,
            _ => ScalarColumn::Constant(NORMAL_NAN),
        })
    }

    fn query_scalar(&self, what: QueryScalar, grid: &StepGrid) -> ScalarColumn {
        let seconds = |ms: i64| ScalarColumn::Constant(ms as f64 / 1000.0);
        match what {
            QueryScalar::Time => ScalarColumn::Steps(grid.times().map(|t| t as f64 / 1000.0).collect()),
            QueryScalar::Start => seconds(self.query.start),
            QueryScalar::End => seconds(self.query.end),
            QueryScalar::Step => seconds(if self.instant { 0 } else { self.query.step }),
            QueryScalar::Range => seconds(self.query.end - self.query.start),
        }
    }

    /// The one float at every step, NaN where there is none or there are several.
    fn vector_to_scalar(&self, input: NodeId, grid: &StepGrid) -> Result<ScalarColumn, EvalError> {
        let mut out = vec![NORMAL_NAN; grid.len()];
        let mut found = vec![0u32; grid.len()];
        self.stream(input, grid, &mut |_, _, row| {
            for i in row.present.iter() {
                if let (Some(n), Some(slot), Some(v)) = (found.get_mut(i), out.get_mut(i), row.values.get(i)) {
                    *n += 1;
                    *slot = if *n == 1 { *v } else { NORMAL_NAN };
                }
            }
            Ok(())
        })?;
        Ok(ScalarColumn::Steps(out))
    }
}
