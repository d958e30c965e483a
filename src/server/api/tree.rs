//! `parse_query`: a query's syntax tree as Prometheus' API writes it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::model::{METRIC_NAME, Matcher};
use crate::promql::ast::{
    Aggregate, At, Binary, Call, Cardinality, Dur, DurExpr, Expr, ExprKind, Selector, Subquery, Timing,
};
use crate::promql::func::RangeMode;
use crate::promql::{CompileOptions, ValueType, parse_and};
use crate::server::app::App;
use crate::server::error::ApiError;
use crate::server::json::Json;

use super::Params;
use super::envelope::{Notes, respond, success};

/// `GET|POST /api/v1/parse_query`
pub async fn parse(State(app): State<Arc<App>>, params: Params) -> Result<Response, ApiError> {
    let options = CompileOptions { features: app.queries.options().features };
    let source = params.get("query").unwrap_or("").to_owned();
    let written = app.queries.run(None, move |_| {
        let tree = parse_and(&source, &options, |tree| success(&Notes::none(), |j| expression(j, tree)));
        tree.map_err(|e| ApiError::parameter("query", e))
    });
    Ok(respond(written.await?))
}

fn expression(j: &mut Json, expr: &Expr) {
    let node = |j: &mut Json, kind: &str, members: &dyn Fn(&mut Json)| {
        j.object(|j| {
            j.key("type").string(kind);
            members(j);
        });
    };
    match &expr.kind {
        ExprKind::Number(v) => node(j, "numberLiteral", &|j| j.key("val").string(&plain(*v))),
        ExprKind::String(text) => node(j, "stringLiteral", &|j| j.key("val").string(text)),
        ExprKind::Paren(inner) => node(j, "parenExpr", &|j| expression(j.key("expr"), inner)),
        // The parser folds a sign into a literal.
        ExprKind::Negate(inner) if matches!(inner.kind, ExprKind::Number(_)) => {
            let ExprKind::Number(v) = inner.kind else { return };
            node(j, "numberLiteral", &|j| j.key("val").string(&plain(-v)));
        }
        ExprKind::Negate(inner) => node(j, "unaryExpr", &|j| {
            j.key("op").string("-");
            expression(j.key("expr"), inner);
        }),
        ExprKind::Vector(selector) => node(j, "vectorSelector", &|j| selector_members(j, selector)),
        ExprKind::Matrix(selector, range) => node(j, "matrixSelector", &|j| {
            duration(j, "range", Some(range));
            selector_members(j, selector);
        }),
        ExprKind::Subquery(subquery) => node(j, "subquery", &|j| subquery_members(j, subquery)),
        ExprKind::Call(call) => node(j, "call", &|j| call_members(j, call)),
        ExprKind::Aggregate(aggregate) => node(j, "aggregation", &|j| aggregate_members(j, aggregate)),
        ExprKind::Binary(binary) => node(j, "binaryExpr", &|j| binary_members(j, binary)),
    }
}

/// A number as Go's `'f', -1` writes it: never with an exponent.
fn plain(v: f64) -> String {
    match v {
        _ if v.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        _ => format!("{v}"),
    }
}

fn selector_members(j: &mut Json, selector: &Selector) {
    j.key("name").string(&selector.name);
    j.key("matchers").array_of(in_order(selector), |j, matcher| {
        j.object(|j| {
            j.key("name").string(&matcher.name);
            j.key("value").string(&matcher.value);
            j.key("type").string(matcher.op.as_str());
        });
    });
    timing(j, &selector.timing);
    j.key("anchored").bool(selector.mode == RangeMode::Anchored);
    j.key("smoothed").bool(selector.mode == RangeMode::Smoothed);
}

/// As Prometheus keeps them: those in braces, then the name before them.
fn in_order(selector: &Selector) -> impl Iterator<Item = &Matcher> {
    let is_name = |m: &&Matcher| !selector.name.is_empty() && m.name == METRIC_NAME && m.value == selector.name;
    let braces = selector.matchers.iter().filter(move |m| !is_name(m));
    braces.chain(selector.matchers.iter().filter(is_name).take(1))
}

fn timing(j: &mut Json, timing: &Timing) {
    duration(j, "offset", timing.offset.as_ref());
    j.key("timestamp");
    match timing.at {
        Some(At::Time(t)) => j.int(t),
        _ => j.null(),
    }
    j.key("startOrEnd");
    match timing.at {
        Some(At::Start) => j.string("start"),
        Some(At::End) => j.string("end"),
        _ => j.null(),
    }
}

/// Milliseconds under a name, and what is to be computed under its name and `Expr`.
fn duration(j: &mut Json, name: &str, duration: Option<&Dur>) {
    let (millis, computed) = match duration {
        None => (0, None),
        Some(Dur::Millis(millis)) => (*millis, None),
        Some(Dur::Expr(expr, _)) => (0, Some(expr)),
    };
    j.key(name).int(millis);
    if let Some(expr) = computed {
        duration_expression(j.key(&format!("{name}Expr")), expr);
    }
}

fn duration_expression(j: &mut Json, expr: &DurExpr) {
    let (op, left, right) = match expr {
        DurExpr::Number(v) => {
            j.object(|j| {
                j.key("type").string("numberLiteral");
                j.key("val").string(&plain(*v));
            });
            return;
        }
        DurExpr::Negate(inner) => ("-", None, Some(inner)),
        DurExpr::Binary(op, left, right) => (op.as_str(), Some(left), Some(right)),
        DurExpr::Step => ("step", None, None),
        DurExpr::Range => ("range", None, None),
        DurExpr::Min(left, right) => ("min_of", Some(left), Some(right)),
        DurExpr::Max(left, right) => ("max_of", Some(left), Some(right)),
    };
    j.object(|j| {
        j.key("type").string("durationExpr");
        j.key("op").string(op);
        for (name, side) in [("lhs", left), ("rhs", right)] {
            j.key(name);
            match side {
                Some(side) => duration_expression(j, side),
                None => j.null(),
            }
        }
    });
}

fn subquery_members(j: &mut Json, subquery: &Subquery) {
    expression(j.key("expr"), &subquery.expr);
    duration(j, "range", Some(&subquery.range));
    duration(j, "step", subquery.step.as_ref());
    timing(j, &subquery.timing);
}

fn call_members(j: &mut Json, call: &Call) {
    j.key("func").object(|j| {
        j.key("name").string(call.func.name);
        j.key("argTypes").strings(call.func.args.iter().map(|of| of.as_str()));
        j.key("variadic").int(call.func.variadic.into());
        j.key("returnType").string(call.func.returns.as_str());
    });
    j.key("args").array_of(&call.args, expression);
}

fn aggregate_members(j: &mut Json, aggregate: &Aggregate) {
    j.key("op").string(aggregate.op.as_str());
    expression(j.key("expr"), &aggregate.expr);
    j.key("param");
    match &aggregate.param {
        Some(param) => expression(j, param),
        None => j.null(),
    }
    j.key("grouping").strings(&aggregate.grouping.labels);
    j.key("without").bool(aggregate.grouping.without);
}

fn binary_members(j: &mut Json, binary: &Binary) {
    j.key("op").string(binary.op.as_str());
    expression(j.key("lhs"), &binary.left);
    expression(j.key("rhs"), &binary.right);
    j.key("bool").bool(binary.modifiers.bool);
    j.key("matching");
    let vectors = [&binary.left, &binary.right].iter().all(|side| type_of(side) == ValueType::Vector);
    if vectors { matching(j, binary) } else { j.null() }
}

fn matching(j: &mut Json, binary: &Binary) {
    let modifiers = &binary.modifiers;
    let none = Vec::new();
    let (card, include) = match &modifiers.cardinality {
        _ if binary.op.is_set() => ("many-to-many", &none),
        Cardinality::OneToOne => ("one-to-one", &none),
        Cardinality::GroupLeft(include) => ("many-to-one", include),
        Cardinality::GroupRight(include) => ("one-to-many", include),
    };
    let written = modifiers.matching.as_ref();
    j.object(|j| {
        j.key("card").string(card);
        j.key("labels").strings(written.map_or(&none, |grouping| &grouping.labels));
        j.key("on").bool(written.is_some_and(|grouping| !grouping.without));
        j.key("include").strings(include);
        j.key("fillValues").object(|j| {
            for (name, value) in [("lhs", modifiers.fill_left), ("rhs", modifiers.fill_right)] {
                j.key(name);
                match value {
                    Some(v) => j.number(v),
                    None => j.null(),
                }
            }
        });
    });
}

fn type_of(expr: &Expr) -> ValueType {
    match &expr.kind {
        ExprKind::Number(_) => ValueType::Scalar,
        ExprKind::String(_) => ValueType::String,
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => type_of(inner),
        ExprKind::Vector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
        ExprKind::Matrix(..) | ExprKind::Subquery(_) => ValueType::Matrix,
        ExprKind::Call(call) => call.func.returns,
        ExprKind::Binary(binary) => {
            let sides = [&binary.left, &binary.right];
            let scalars = sides.iter().all(|side| type_of(side) == ValueType::Scalar);
            if scalars { ValueType::Scalar } else { ValueType::Vector }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Features;

    fn tree(query: &str) -> serde_json::Value {
        let options = CompileOptions { features: Features::all() };
        let written = parse_and(query, &options, |tree| {
            let mut json = Json::new();
            expression(&mut json, tree);
            json.finish()
        });
        serde_json::from_str(&written.unwrap()).unwrap()
    }

    #[test]
    fn trees_have_the_parts_that_prometheus_names() {
        let sum = tree("sum by (job) (rate(x{a=\"b\"}[5m] offset 1m))");
        assert_eq!((&sum["type"], &sum["grouping"][0]), (&"aggregation".into(), &"job".into()));
        let selector = &sum["expr"]["args"][0];
        assert_eq!((&selector["range"], &selector["offset"]), (&300_000.into(), &60_000.into()));
        assert_eq!(selector["matchers"][1], serde_json::json!({"name": "__name__", "value": "x", "type": "="}));
        assert_eq!(tree("x * on(a) group_left(b) y")["matching"]["card"], "many-to-one");
        assert_eq!(tree("x * 2")["matching"], serde_json::Value::Null);
        assert_eq!(tree("-1")["val"], "-1");
        assert_eq!(tree("1e21")["val"], "1000000000000000000000");
        assert_eq!(tree("x[5m+step()]")["rangeExpr"]["op"], "+");
    }

    #[test]
    fn a_tree_as_deep_as_a_query_may_be_is_written() {
        let deep = format!("x{}", " + x".repeat(3_900));
        let options = CompileOptions::default();
        let written = parse_and(&deep, &options, |tree| {
            let mut json = Json::new();
            expression(&mut json, tree);
            json.finish()
        });
        assert_eq!(written.unwrap().matches("binaryExpr").count(), 3_900);
    }
}
