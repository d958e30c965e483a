//! The evaluator: walks a tree and writes its output.

mod evaluate;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use super::error::ExecError;
use super::foreign::Foreign;
use super::func::Host;
use super::html::HtmlContext;
use super::markup::{Dialect, MarkupContext};
use super::parse::Tree;
use super::parse::ast::{Block, Branch, Node, Pipe};
use super::print;
use super::value::{LONGEST_TEXT, Value};

/// What one execution may use up. Templates come from users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of output.
    pub output: usize,
    /// Nodes walked and commands evaluated, loop iterations among them.
    pub steps: usize,
    /// Templates inside templates.
    pub depth: usize,
    /// Bytes of one text that a function makes.
    pub text: usize,
    /// Bytes that functions read and write, all together.
    pub work: usize,
    /// Lists and maps inside one another.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { output: 1 << 20, steps: 1 << 20, depth: 50, text: LONGEST_TEXT, work: 64 << 20, nesting: 100 }
    }
}

/// How execution goes on after a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// How what actions write is escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escaping {
    None,
    /// Everything, for the place in a document.
    Html,
    /// What is foreign, for the place in a markup.
    Markup(Dialect),
}

/// Where the output stands.
enum Context {
    None,
    Html(HtmlContext),
    Markup(MarkupContext),
}

/// Templates by their names.
pub(super) type Trees = HashMap<Arc<str>, Arc<Tree>>;

/// Executes a tree of a set on data.
pub(super) fn execute(
    trees: &Trees,
    limits: Limits,
    tree: &Tree,
    data: &Value,
    host: &dyn Host,
    escaping: Escaping,
) -> Result<String, ExecError> {
    let context = match escaping {
        Escaping::None => Context::None,
        Escaping::Html => Context::Html(HtmlContext::default()),
        Escaping::Markup(dialect) => Context::Markup(MarkupContext::new(dialect)),
    };
    let mut out = Output { text: String::new(), context, steps: 0, work: 0 };
    let mut exec = Exec {
        trees,
        host,
        tree,
        depth: 0,
        vars: vec![(Arc::from("$"), data.clone())],
        at: None,
        limits,
        out: &mut out,
    };
    exec.block(data, &tree.root)?;
    Ok(out.text)
}

struct Output {
    text: String,
    context: Context,
    steps: usize,
    work: usize,
}

/// The state of one template's execution.
struct Exec<'a> {
    trees: &'a Trees,
    host: &'a dyn Host,
    tree: &'a Tree,
    depth: usize,
    vars: Vec<(Arc<str>, Value)>,
    /// The node errors name: its place and itself.
    at: Option<(usize, &'a dyn Display)>,
    limits: Limits,
    out: &'a mut Output,
}

type Done<T> = Result<T, ExecError>;

impl<'a> Exec<'a> {
    fn error(&self, message: impl Display) -> ExecError {
        let name = &self.tree.name;
        let message = match self.at {
            None => format!("template: {name}: {message}"),
            Some((pos, node)) => {
                let quoted = print::quote(name);
                format!("template: {}: executing {quoted} at <{node}>: {message}", self.tree.location(pos))
            }
        };
        ExecError { message, exhausted: false }
    }

    /// A limit was reached.
    fn exhausted(&self, message: impl Display) -> ExecError {
        ExecError { exhausted: true, ..self.error(message) }
    }

    fn step(&mut self) -> Done<()> {
        self.out.steps += 1;
        if self.out.steps > self.limits.steps {
            return Err(self.exhausted(format!("template takes more than {} steps", self.limits.steps)));
        }
        Ok(())
    }

    fn work(&mut self, bytes: usize) -> Done<()> {
        self.out.work = self.out.work.saturating_add(bytes);
        if self.out.work > self.limits.work {
            return Err(self.exhausted(format!("template reads and writes more than {} bytes", self.limits.work)));
        }
        Ok(())
    }

    /// Refuses a value that is too large: the output is not all that takes memory.
    fn made(&mut self, value: Value) -> Done<Value> {
        let bytes = value.made_of();
        if bytes > self.limits.text && value.as_str().is_some() {
            return Err(self.exhausted(format!("text is longer than {} bytes", self.limits.text)));
        }
        if value.depth() > self.limits.nesting {
            return Err(self.error(format!("lists are nested deeper than {}", self.limits.nesting)));
        }
        self.work(bytes)?;
        Ok(value)
    }

    fn write(&mut self, text: &str) -> Done<()> {
        if self.out.text.len() + text.len() > self.limits.output {
            return Err(self.exhausted(format!("output is longer than {} bytes", self.limits.output)));
        }
        self.out.text.push_str(text);
        Ok(())
    }

    fn block(&mut self, dot: &Value, block: &'a Block) -> Done<Flow> {
        for node in &block.0 {
            match self.node(dot, node)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Value, node: &'a Node) -> Done<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => {
                match &mut self.out.context {
                    Context::None => {}
                    Context::Html(html) => html.feed(text),
                    Context::Markup(markup) => markup.feed(text),
                }
                self.write(text)?;
            }
            Node::Action { pos, pipe } => {
                self.at = Some((*pos, node));
                let value = self.pipe(dot, pipe)?;
                if pipe.decl.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If(branch) => return self.choice(dot, branch, false),
            Node::With(branch) => return self.choice(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { pos, name, pipe } => {
                self.at = Some((*pos, node));
                self.call_template(dot, name, pipe.as_ref())?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: &Value) -> Done<()> {
        let text = match (&mut self.out.context, value) {
            (Context::Html(html), value) => html.escape(value),
            (Context::Markup(markup), Value::Foreign(foreign)) => markup.write(foreign),
            (Context::Markup(markup), Value::Str(s) | Value::Safe(_, s)) => {
                markup.feed(s);
                return self.write(&s.clone());
            }
            (Context::Markup(markup), value) => markup.write(&Foreign::of(print::display(value))),
            (Context::None, Value::Str(s) | Value::Safe(_, s)) => return self.write(&s.clone()),
            (Context::None, value) => print::display(value),
        };
        self.write(&text)
    }

    fn choice(&mut self, dot: &Value, branch: &'a Branch, rebind: bool) -> Done<Flow> {
        let mark = self.vars.len();
        self.at = Some((branch.pos, branch));
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = match (value.truth(), &branch.otherwise) {
            (true, _) => self.block(if rebind { &value } else { dot }, &branch.body),
            (false, Some(otherwise)) => self.block(dot, otherwise),
            (false, None) => Ok(Flow::Next),
        };
        self.vars.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &'a Branch) -> Done<Flow> {
        let outer = self.vars.len();
        self.at = Some((branch.pos, branch));
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = self.iterate(dot, branch, &value);
        self.vars.truncate(outer);
        flow
    }

    fn iterate(&mut self, dot: &Value, branch: &'a Branch, value: &Value) -> Done<Flow> {
        let mut any = false;
        if let Some(list) = value.as_list() {
            for (i, item) in (0i64..).zip(list) {
                any = true;
                match self.iteration(branch, Value::Int(i), item)? {
                    Flow::Break => break,
                    _ => continue,
                }
            }
        } else if let Some(map) = value.as_map() {
            for (key, item) in map.entries() {
                any = true;
                match self.iteration(branch, item.as_key(key), &item)? {
                    Flow::Break => break,
                    _ => continue,
                }
            }
        } else if let Some(n) = value.as_int() {
            if branch.pipe.decl.len() > 1 {
                let shown = print::sprint_value(value);
                return Err(self.error(format!("can't use {shown} to iterate over more than one variable")));
            }
            for i in 0..n {
                any = true;
                match self.iteration(branch, Value::Int(i), &Value::Int(i))? {
                    Flow::Break => break,
                    _ => continue,
                }
            }
        } else if !matches!(value, Value::Nil) {
            return Err(self.error(format!("range can't iterate over {}", print::sprint_value(value))));
        }
        match &branch.otherwise {
            // `break` in the `else` of a range belongs to the range around it.
            Some(otherwise) if !any => self.block(dot, otherwise),
            _ => Ok(Flow::Next),
        }
    }

    fn iteration(&mut self, branch: &'a Branch, index: Value, item: &Value) -> Done<Flow> {
        self.step()?;
        let mark = self.vars.len();
        let decl = &branch.pipe.decl;
        if branch.pipe.assign {
            match decl.as_slice() {
                [one] => self.assign(one, item.clone())?,
                [key, element] => {
                    self.assign(key, index)?;
                    self.assign(element, item.clone())?;
                }
                _ => {}
            }
        } else {
            // The pipeline pushed its variables; here they get this iteration's values.
            let base = mark.saturating_sub(decl.len());
            let values = if decl.len() > 1 { vec![index, item.clone()] } else { vec![item.clone()] };
            for (var, value) in self.vars.iter_mut().skip(base).zip(values) {
                if !decl.is_empty() {
                    var.1 = value;
                }
            }
        }
        let flow = self.block(item, &branch.body);
        self.vars.truncate(mark);
        flow
    }

    fn call_template(&mut self, dot: &Value, name: &Arc<str>, pipe: Option<&'a Pipe>) -> Done<()> {
        let Some(tree) = self.trees.get(name) else {
            return Err(self.error(format!("template {} not defined", print::quote(name))));
        };
        if self.depth >= self.limits.depth {
            return Err(self.error(format!("exceeded maximum template depth ({})", self.limits.depth)));
        }
        let data = match pipe {
            Some(p) => self.pipe(dot, p)?,
            None => Value::Nil,
        };
        self.host.entered(name);
        let mut inner = Exec {
            trees: self.trees,
            host: self.host,
            tree,
            depth: self.depth + 1,
            vars: vec![(Arc::from("$"), data.clone())],
            at: None,
            limits: self.limits,
            out: &mut *self.out,
        };
        inner.block(&data, &tree.root)?;
        Ok(())
    }

    fn assign(&mut self, name: &str, value: Value) -> Done<()> {
        match self.vars.iter_mut().rev().find(|(n, _)| **n == *name) {
            Some(var) => {
                var.1 = value;
                Ok(())
            }
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }
}
