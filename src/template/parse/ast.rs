//! The syntax tree, and how its nodes print: errors quote the node at fault as Go prints it.

use std::fmt;
use std::sync::Arc;

use crate::template::func::Function;
use crate::template::value::Value;

/// A sequence of nodes.
#[derive(Clone, Default)]
pub(crate) struct Block(pub Vec<Node>);

/// A node outside of pipelines.
#[derive(Clone)]
pub(crate) enum Node {
    Text(Arc<str>),
    Action { pos: usize, pipe: Pipe },
    If(Branch),
    Range(Branch),
    With(Branch),
    Template { pos: usize, name: Arc<str>, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// `if`, `range` or `with`.
#[derive(Clone)]
pub(crate) struct Branch {
    pub pos: usize,
    pub word: &'static str,
    pub pipe: Pipe,
    pub body: Block,
    pub otherwise: Option<Block>,
}

/// Commands, each fed the result of the one before; perhaps declares or assigns variables.
#[derive(Clone)]
pub(crate) struct Pipe {
    pub pos: usize,
    pub assign: bool,
    pub decl: Vec<Arc<str>>,
    pub commands: Vec<Command>,
}

/// An operand, or a function or method with its arguments.
#[derive(Clone)]
pub(crate) struct Command {
    pub args: Vec<Operand>,
}

/// One operand and its place.
#[derive(Clone)]
pub(crate) struct Operand {
    pub pos: usize,
    pub kind: OperandKind,
}

/// What an operand is.
#[derive(Clone)]
pub(crate) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    Str {
        source: Arc<str>,
        text: Arc<str>,
    },
    Field(Vec<Arc<str>>),
    /// The variable's name with its `$`, then fields.
    Variable(Vec<Arc<str>>),
    Function(&'static Function),
    Chain(Box<Operand>, Vec<Arc<str>>),
    Pipe(Pipe),
}

/// A number constant and what it can be read as.
#[derive(Clone)]
pub(crate) struct Number {
    pub source: Arc<str>,
    /// As an untyped constant.
    pub ideal: Value,
    /// As an integer, when it is one.
    pub int: Option<i64>,
    /// As a float, when it is one.
    pub float: Option<f64>,
    /// It is an integer, but no `int` holds it.
    pub overflows: bool,
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|n| n.fmt(f))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Text(t) => f.write_str(t),
            Node::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Node::If(b) | Node::Range(b) | Node::With(b) => b.fmt(f),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", crate::template::print::quote(name))?;
                if let Some(p) = pipe {
                    write!(f, " {p}")?;
                }
                f.write_str("}}")
            }
            Node::Break => f.write_str("{{break}}"),
            Node::Continue => f.write_str("{{continue}}"),
        }
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{{} {}}}}}{}", self.word, self.pipe, self.body)?;
        if let Some(o) = &self.otherwise {
            write!(f, "{{{{else}}}}{o}")?;
        }
        f.write_str("{{end}}")
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            write!(f, "{} {} ", self.decl.join(", "), if self.assign { "=" } else { ":=" })?;
        }
        for (i, c) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            c.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, a) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match &a.kind {
                OperandKind::Pipe(p) => write!(f, "({p})")?,
                _ => a.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Dot => f.write_str("."),
            OperandKind::Nil => f.write_str("nil"),
            OperandKind::Bool(b) => b.fmt(f),
            OperandKind::Number(n) => f.write_str(&n.source),
            OperandKind::Str { source, .. } => f.write_str(source),
            OperandKind::Field(names) => names.iter().try_for_each(|n| write!(f, ".{n}")),
            OperandKind::Variable(names) => f.write_str(&names.join(".")),
            OperandKind::Function(function) => f.write_str(function.name),
            OperandKind::Pipe(p) => p.fmt(f),
            OperandKind::Chain(inner, names) => {
                match &inner.kind {
                    OperandKind::Pipe(p) => write!(f, "({p})")?,
                    _ => inner.fmt(f)?,
                }
                names.iter().try_for_each(|n| write!(f, ".{n}"))
            }
        }
    }
}
