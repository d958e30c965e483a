//! Pipelines, commands and operands: what has a value.

use std::fmt::Display;
use std::sync::Arc;

use super::{Context, Done, Exec};
use crate::template::carry;
use crate::template::error::ExecError;
use crate::template::func::{Function, Param};
use crate::template::markup::Dialect;
use crate::template::parse::ast::{Command, Number, Operand, OperandKind, Pipe};
use crate::template::print;
use crate::template::value::{CallError, Value};

impl<'a> Exec<'a> {
    /// Evaluates a pipeline and declares or assigns its variables.
    pub(super) fn pipe(&mut self, dot: &Value, pipe: &'a Pipe) -> Done<Value> {
        self.at = Some((pipe.pos, pipe));
        let mut last: Option<Value> = None;
        for command in &pipe.commands {
            self.step()?;
            last = Some(self.command(dot, command, last)?);
        }
        let value = last.unwrap_or(Value::Nil);
        for name in &pipe.decl {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &'a Command, last: Option<Value>) -> Done<Value> {
        let Some((first, args)) = command.args.split_first() else { return Err(self.error("empty command")) };
        match &first.kind {
            OperandKind::Function(function) => self.function(dot, function, first, command, args, last),
            OperandKind::Field(names) => {
                self.at = Some((first.pos, first));
                self.chain(dot, dot.clone(), first, names, args, last)
            }
            OperandKind::Variable(names) => self.variable(dot, first, names, args, last),
            OperandKind::Chain(inner, names) => self.chained(dot, first, inner, names, args, last),
            OperandKind::Pipe(pipe) => {
                self.not_a_function(first, args, &last)?;
                self.pipe(dot, pipe)
            }
            kind => {
                self.at = Some((first.pos, first));
                self.not_a_function(first, args, &last)?;
                match kind {
                    OperandKind::Dot => Ok(dot.clone()),
                    OperandKind::Bool(b) => Ok(Value::Bool(*b)),
                    OperandKind::Number(n) => self.ideal(n),
                    OperandKind::Str { text, .. } => Ok(Value::Str(text.clone())),
                    _ => Err(self.error("nil is not a command")),
                }
            }
        }
    }

    /// The markup that is written.
    fn dialect(&self) -> Option<Dialect> {
        match &self.out.context {
            Context::Markup(markup) => Some(markup.dialect),
            _ => None,
        }
    }

    fn not_a_function(&self, first: &Operand, args: &[Operand], last: &Option<Value>) -> Done<()> {
        if args.is_empty() && last.is_none() {
            return Ok(());
        }
        Err(self.error(format!("can't give argument to non-function {first}")))
    }

    fn ideal(&self, number: &Number) -> Done<Value> {
        match number.overflows {
            true => Err(self.error(format!("{} overflows int", number.source))),
            false => Ok(number.ideal.clone()),
        }
    }

    fn variable(
        &mut self,
        dot: &Value,
        node: &'a Operand,
        names: &'a [Arc<str>],
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        self.at = Some((node.pos, node));
        let Some((name, fields)) = names.split_first() else { return Ok(Value::Nil) };
        let Some(value) = self.vars.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone()) else {
            return Err(self.error(format!("undefined variable: {name}")));
        };
        if fields.is_empty() {
            self.not_a_function(node, args, &last)?;
            return Ok(value);
        }
        self.chain(dot, value, node, fields, args, last)
    }

    /// `(pipeline).Field.Field`.
    fn chained(
        &mut self,
        dot: &Value,
        node: &'a Operand,
        inner: &'a Operand,
        names: &'a [Arc<str>],
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        self.at = Some((node.pos, node));
        let receiver = self.arg(dot, Param::Any, inner)?;
        self.chain(dot, receiver, node, names, args, last)
    }

    /// Fields one after the other; the last may be a method and gets the arguments.
    fn chain(
        &mut self,
        dot: &Value,
        receiver: Value,
        node: &'a Operand,
        names: &'a [Arc<str>],
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        let Some((end, inner)) = names.split_last() else { return Ok(receiver) };
        let mut receiver = receiver;
        for (i, name) in inner.iter().enumerate() {
            self.nil_check(&receiver, name, i)?;
            receiver = self.field(dot, &receiver, node, name, &[], None)?;
        }
        self.nil_check(&receiver, end, inner.len())?;
        self.field(dot, &receiver, node, end, args, last)
    }

    /// A missing value may be asked for a field once, as the first of a chain: beyond, Go sees a nil interface.
    fn nil_check(&self, receiver: &Value, name: &str, place: usize) -> Done<()> {
        if place > 0 && matches!(receiver, Value::Nil) {
            return Err(self.error(format!("nil pointer evaluating interface {{}}.{name}")));
        }
        Ok(())
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'a Operand,
        name: &str,
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        if matches!(receiver, Value::Nil) {
            return Ok(Value::Nil);
        }
        let has_args = !args.is_empty() || last.is_some();
        if let Value::Object(object) = receiver
            && let Some(value) = object.field(name)
        {
            return match has_args {
                true => Err(self.error(format!("{name} has arguments but cannot be invoked as function"))),
                false => Ok(value),
            };
        }
        if let Some(value) = self.method(dot, receiver, node, name, args, last)? {
            return Ok(value);
        }
        match receiver.as_map() {
            Some(_) if has_args => Err(self.error(format!("{name} is not a method but has arguments"))),
            Some(map) => Ok(map.get(name).unwrap_or_else(|| map.zero())),
            None => Err(self.error(format!("can't evaluate field {name} in type {}", receiver.type_name()))),
        }
    }

    /// Calls a method; `None` when the type has none of that name.
    fn method(
        &mut self,
        dot: &Value,
        receiver: &Value,
        node: &'a Operand,
        name: &str,
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Option<Value>> {
        // Arguments are evaluated only where there is a method to take them.
        if call_method(receiver, name, &[]).is_none() {
            return Ok(None);
        }
        let before = self.at;
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in args {
            values.push(self.arg(dot, Param::Any, arg)?);
        }
        values.extend(last);
        let mut values: Vec<Value> = values.into_iter().map(Value::unmarked).collect();
        let Some(mut result) = call_method(receiver, name, &values) else { return Ok(None) };
        // A constant of integral value is an integer where the method wants one: `Add 28800e9`.
        if let Err(CallError::Type { want: "int" | "time.Duration", .. }) = result
            && integers(args, &mut values)
            && let Some(again) = call_method(receiver, name, &values)
        {
            result = again;
        }
        result.map(Some).map_err(|e| match e {
            CallError::Count { want } => {
                self.at = before;
                self.error(format!("wrong number of args for {name}: want {want} got {}", values.len()))
            }
            CallError::Type { index, want } => {
                if let Some(arg) = args.get(index) {
                    self.at = Some((arg.pos, arg));
                    if let Some(error) = self.misfit(want, arg) {
                        return error;
                    }
                }
                let got = values.get(index).map_or("<nil>", Value::type_name);
                self.error(format!("wrong type for value; expected {want}; got {got}"))
            }
            CallError::Failed(text) => {
                self.at = Some((node.pos, node));
                self.error(format!("error calling {name}: {text}"))
            }
            CallError::Exhausted(text) => self.exhausted(format!("error calling {name}: {text}")),
        })
    }

    fn function(
        &mut self,
        dot: &Value,
        function: &'static Function,
        word: &'a Operand,
        command: &'a dyn Display,
        args: &'a [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        self.at = Some((word.pos, word));
        let given = args.len() + usize::from(last.is_some());
        let fixed = function.params.len();
        let name = function.name;
        if function.variadic.is_some() && given < fixed {
            return Err(
                self.error(format!("wrong number of args for {name}: want at least {fixed} got {}", args.len()))
            );
        }
        if function.variadic.is_none() && given != fixed {
            return Err(self.error(format!("wrong number of args for {name}: want {fixed} got {given}")));
        }
        let mut values = Vec::with_capacity(given);
        for (i, arg) in args.iter().enumerate() {
            let value = self.arg(dot, function.param(i), arg)?;
            if function.short_circuits_on() == Some(value.truth()) {
                return Ok(value);
            }
            values.push(value);
        }
        if let Some(last) = last {
            values.push(self.validate(last, function.param(given.saturating_sub(1)))?);
        }
        if name == "call" {
            self.at = Some((word.pos, command));
            let (what, value) = (args.first(), values.first().unwrap_or(&Value::Nil));
            let what = what.map_or_else(|| print::sprint_value(value), ToString::to_string);
            return Err(match value {
                Value::Nil => self.error("error calling call: call of nil"),
                v => self.error(format!("error calling call: non-function {what} of type {}", v.type_name())),
            });
        }
        let argument = self.at.replace((word.pos, command));
        self.work(values.iter().filter_map(Value::as_str).map(str::len).sum())?;
        let result = match self.dialect() {
            Some(dialect) if values.iter().any(carry::is_foreign) => carry::call(dialect, function, self.host, values),
            _ => (function.body)(self.host, &values),
        };
        match result {
            Ok(value) => {
                let value = self.made(value)?;
                self.at = argument;
                Ok(value)
            }
            Err(CallError::Failed(text)) => Err(self.error(format!("error calling {name}: {text}"))),
            Err(CallError::Exhausted(text)) => Err(self.exhausted(format!("error calling {name}: {text}"))),
            Err(other) => Err(self.error(format!("error calling {name}: {other:?}"))),
        }
    }

    /// Evaluates an argument as a type.
    fn arg(&mut self, dot: &Value, want: Param, arg: &'a Operand) -> Done<Value> {
        self.at = Some((arg.pos, arg));
        let value = match &arg.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => {
                return match want {
                    Param::Any | Param::Strings | Param::List | Param::Samples | Param::Sample => Ok(Value::Nil),
                    _ => Err(self.error(format!("cannot assign nil to {}", want.name()))),
                };
            }
            OperandKind::Field(names) => self.chain(dot, dot.clone(), arg, names, &[], None)?,
            OperandKind::Variable(names) => self.variable(dot, arg, names, &[], None)?,
            OperandKind::Pipe(pipe) => self.pipe(dot, pipe)?,
            OperandKind::Function(function) => self.function(dot, function, arg, arg, &[], None)?,
            OperandKind::Chain(inner, names) => self.chained(dot, arg, inner, names, &[], None)?,
            constant => return self.constant(want, constant, arg),
        };
        self.validate(value, want)
    }

    /// A constant takes the type it is used as.
    fn constant(&self, want: Param, constant: &OperandKind, arg: &Operand) -> Done<Value> {
        let value = match (want, constant) {
            (Param::Any, OperandKind::Bool(b)) => Some(Value::Bool(*b)),
            (Param::Any, OperandKind::Number(n)) => return self.ideal(n),
            (Param::Any | Param::Str, OperandKind::Str { text, .. }) => Some(Value::Str(text.clone())),
            (Param::Int, OperandKind::Number(n)) => n.int.map(Value::Int),
            (Param::Float, OperandKind::Number(n)) => n.float.map(Value::Float),
            _ => None,
        };
        value.ok_or_else(|| match want {
            Param::Str => self.error(format!("expected string; found {arg}")),
            Param::Int => self.error(format!("expected integer; found {arg}")),
            Param::Float => self.error(format!("expected float; found {arg}")),
            _ => self.error(format!("can't handle {arg} for arg of type {}", want.name())),
        })
    }

    /// What Go says of a constant used as a type it cannot have; `None` for what is no constant.
    fn misfit(&self, want: &str, arg: &Operand) -> Option<ExecError> {
        match (&arg.kind, want) {
            (OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::Str { .. }, "string") => {
                Some(self.error(format!("expected string; found {arg}")))
            }
            (OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::Str { .. }, "int" | "time.Duration") => {
                Some(self.error(format!("expected integer; found {arg}")))
            }
            (OperandKind::Bool(_) | OperandKind::Number(_) | OperandKind::Str { .. }, _) => {
                Some(self.error(format!("can't handle {arg} for arg of type {want}")))
            }
            _ => None,
        }
    }

    fn validate(&self, value: Value, want: Param) -> Done<Value> {
        if want.accepts(&value) {
            return Ok(value);
        }
        if matches!(value, Value::Nil) {
            return match want {
                Param::Strings | Param::List | Param::Samples | Param::Sample => Ok(Value::Nil),
                _ => Err(self.error(format!("invalid value; expected {}", want.name()))),
            };
        }
        let got = value.type_name();
        Err(self.error(format!("wrong type for value; expected {}; got {got}", want.name())))
    }
}

/// Makes integers of the float constants among arguments that have an integral value; whether there are any.
fn integers(args: &[Operand], values: &mut [Value]) -> bool {
    let mut any = false;
    for (arg, value) in args.iter().zip(values) {
        if let (OperandKind::Number(Number { int: Some(int), .. }), Value::Float(_)) = (&arg.kind, &*value) {
            *value = Value::Int(*int);
            any = true;
        }
    }
    any
}

fn call_method(receiver: &Value, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
    match receiver {
        Value::Object(o) => o.method(name, args),
        Value::Time(t) => t.method(name, args),
        Value::Duration(d) => crate::template::methods::duration_method(*d, name, args),
        _ => None,
    }
}
