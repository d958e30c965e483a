//! Go's predefined functions: logic, comparison, indexing, escaping.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::template::func::{Function, Host, Param};
use crate::template::value::{CallError, List, SafeKind, Value};
use crate::template::{escape, print};

type Out = Result<Value, CallError>;

fn arg(args: &[Value], index: usize) -> &Value {
    args.get(index).unwrap_or(&Value::Nil)
}

/// `and`, `or` when nothing settled them before the last argument.
pub(super) fn last(_: &dyn Host, args: &[Value]) -> Out {
    Ok(args.last().cloned().unwrap_or(Value::Nil))
}

pub(super) fn not(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(!arg(args, 0).truth()))
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    CallError::failed(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))
}

/// The kinds Go compares within.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Complex,
    Int,
    Uint,
    Float,
    Str,
    Other,
}

fn basic(v: &Value) -> Basic {
    match v {
        Value::Bool(_) => Basic::Bool,
        Value::Complex(..) => Basic::Complex,
        Value::Int(_) | Value::Duration(_) => Basic::Int,
        Value::Byte(_) => Basic::Uint,
        Value::Float(_) => Basic::Float,
        Value::Str(_) | Value::Safe(..) | Value::Foreign(_) => Basic::Str,
        Value::Object(_) if v.as_int().is_some() => Basic::Int,
        _ => Basic::Other,
    }
}

fn is_integer(k: Basic) -> bool {
    matches!(k, Basic::Int | Basic::Uint)
}

fn equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    let (ka, kb) = (basic(a), basic(b));
    if is_integer(ka) && is_integer(kb) {
        return Ok(a.as_int() == b.as_int());
    }
    if ka != kb {
        return if matches!(a, Value::Nil) || matches!(b, Value::Nil) { Ok(false) } else { Err(incompatible(a, b)) };
    }
    match (a, b) {
        (Value::Bool(x), Value::Bool(y)) => Ok(x == y),
        (Value::Float(x), Value::Float(y)) => Ok(x == y),
        (Value::Complex(r, i), Value::Complex(s, j)) => Ok(r == s && i == j),
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Time(x), Value::Time(y)) => Ok(x == y),
        _ => match (a.as_str(), b.as_str()) {
            (Some(x), Some(y)) => Ok(x == y),
            _ => {
                let text = print::sprint_value(b);
                Err(format!("non-comparable type {text}: {}", b.type_name()).into())
            }
        },
    }
}

pub(super) fn eq(_: &dyn Host, args: &[Value]) -> Out {
    let Some((first, others)) = args.split_first().filter(|(_, o)| !o.is_empty()) else {
        return Err("missing argument for comparison".into());
    };
    for other in others {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(!equal(arg(args, 0), arg(args, 1))?))
}

/// `None` when a NaN is compared: then no order holds.
fn order(args: &[Value]) -> Result<Option<Ordering>, CallError> {
    let (a, b) = (arg(args, 0), arg(args, 1));
    let (ka, kb) = (basic(a), basic(b));
    if ka == Basic::Other || kb == Basic::Other {
        return Err("invalid type for comparison".into());
    }
    if is_integer(ka) && is_integer(kb) {
        return Ok(a.as_int().partial_cmp(&b.as_int()));
    }
    if ka != kb {
        return Err(incompatible(a, b));
    }
    match (a, b) {
        (Value::Float(x), Value::Float(y)) => Ok(x.partial_cmp(y)),
        _ => match (a.as_str(), b.as_str()) {
            (Some(x), Some(y)) => Ok(Some(x.cmp(y))),
            _ => Err("invalid type for comparison".into()),
        },
    }
}

pub(super) fn lt(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(order(args)? == Some(Ordering::Less)))
}

pub(super) fn le(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(matches!(order(args)?, Some(Ordering::Less | Ordering::Equal))))
}

/// Go defines `gt` as not `le`, so it holds for NaN.
pub(super) fn gt(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(!matches!(order(args)?, Some(Ordering::Less | Ordering::Equal))))
}

/// Go defines `ge` as not `lt`, so it holds for NaN.
pub(super) fn ge(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Bool(order(args)? != Some(Ordering::Less)))
}

pub(super) fn len(_: &dyn Host, args: &[Value]) -> Out {
    let v = arg(args, 0);
    let length = if let Some(s) = v.as_str() {
        s.len()
    } else if let Some(l) = v.as_list() {
        l.len()
    } else if let Some(m) = v.as_map() {
        m.len()
    } else if matches!(v, Value::Nil) {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    } else {
        return Err(format!("len of type {}", v.type_name()).into());
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn position(index: &Value, limit: usize) -> Result<usize, CallError> {
    match index {
        Value::Nil => Err("cannot index slice/array with nil".into()),
        v => match v.as_int() {
            None => Err(format!("cannot index slice/array with type {}", v.type_name()).into()),
            Some(i) => usize::try_from(i)
                .ok()
                .filter(|u| *u < limit)
                .ok_or_else(|| CallError::failed(format!("index out of range: {i}"))),
        },
    }
}

pub(super) fn index(_: &dyn Host, args: &[Value]) -> Out {
    let Some((item, indexes)) = args.split_first() else { return Ok(Value::Nil) };
    if matches!(item, Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for i in indexes {
        let next = if let Some(map) = item.as_map() {
            match i {
                Value::Str(key) => map.get(key).unwrap_or_else(|| map.zero()),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => return Err(format!("value has type {}; should be string", other.type_name()).into()),
            }
        } else if let Some(list) = item.as_list() {
            list.get(position(i, list.len())?).cloned().unwrap_or(Value::Nil)
        } else if let Some(s) = item.as_str() {
            s.as_bytes().get(position(i, s.len())?).map_or(Value::Nil, |b| Value::Byte(*b))
        } else if matches!(item, Value::Nil) {
            return Err("index of nil pointer".into());
        } else {
            return Err(format!("can't index item of type {}", item.type_name()).into());
        };
        item = next;
    }
    Ok(item)
}

pub(super) fn slice(_: &dyn Host, args: &[Value]) -> Out {
    let Some((item, indexes)) = args.split_first() else { return Ok(Value::Nil) };
    if matches!(item, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let length = match (item.as_str(), item.as_list()) {
        (Some(_), _) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        (Some(s), _) => s.len(),
        (_, Some(l)) => l.len(),
        _ => return Err(format!("can't slice item of type {}", item.type_name()).into()),
    };
    let mut bounds = [0, length, length];
    for (bound, i) in bounds.iter_mut().zip(indexes) {
        *bound = position(i, length + 1)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if indexes.len() == 3 && to > cap {
        return Err(format!("invalid slice index: {to} > {cap}").into());
    }
    Ok(match (item, item.as_str()) {
        (_, Some(s)) => Value::from(String::from_utf8_lossy(s.as_bytes().get(from..to).unwrap_or(&[])).into_owned()),
        (_, None) => {
            let items = item.as_list().and_then(|l| l.get(from..to)).unwrap_or(&[]).to_vec();
            Value::List(Arc::new(List::new(items, item.type_name())))
        }
    })
}

/// The arguments as one text: a single string as it is, else as `print` joins them.
fn joined(args: &[Value]) -> String {
    match args {
        [Value::Str(s)] => s.to_string(),
        _ => print::sprint(args),
    }
}

pub(super) fn html(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Safe(SafeKind::EscapedHtml, escape::html(&joined(args)).into()))
}

pub(super) fn js(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::from(escape::js(&joined(args))))
}

pub(super) fn urlquery(_: &dyn Host, args: &[Value]) -> Out {
    Ok(Value::Safe(SafeKind::EscapedQuery, escape::query(&joined(args)).into()))
}

pub(super) fn printf(_: &dyn Host, args: &[Value]) -> Out {
    let Some((format, rest)) = args.split_first() else { return Ok(Value::str("")) };
    Ok(Value::from(print::sprintf(format.as_str().unwrap_or(""), rest)))
}

/// Go's own functions, in every template.
pub static BUILTINS: [Function; 19] = [
    Function::variadic("and", &[Param::Any], Param::Any, last),
    // The evaluator answers it: nothing a template is given is a function.
    Function::variadic("call", &[Param::Any], Param::Any, last),
    Function::variadic("eq", &[Param::Any], Param::Any, eq),
    Function::fixed("ge", &[Param::Any, Param::Any], ge),
    Function::fixed("gt", &[Param::Any, Param::Any], gt),
    Function::variadic("html", &[], Param::Any, html),
    Function::variadic("index", &[Param::Any], Param::Any, index),
    Function::variadic("js", &[], Param::Any, js),
    Function::fixed("le", &[Param::Any, Param::Any], le),
    Function::fixed("len", &[Param::Any], len),
    Function::fixed("lt", &[Param::Any, Param::Any], lt),
    Function::fixed("ne", &[Param::Any, Param::Any], ne),
    Function::fixed("not", &[Param::Any], not),
    Function::variadic("or", &[Param::Any], Param::Any, last),
    Function::variadic("print", &[], Param::Any, |_, args| Ok(Value::from(print::sprint(args)))),
    Function::variadic("printf", &[Param::Str], Param::Any, printf),
    Function::variadic("println", &[], Param::Any, |_, args| Ok(Value::from(print::sprintln(args)))),
    Function::variadic("slice", &[Param::Any], Param::Any, slice),
    Function::variadic("urlquery", &[], Param::Any, urlquery),
];

/// Finds a function among Go's own and a table of others, which win.
pub fn find(own: &'static [Function], name: &str) -> Option<&'static Function> {
    own.iter().chain(BUILTINS.iter()).find(|f| f.name == name)
}
