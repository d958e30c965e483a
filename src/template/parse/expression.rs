//! Pipelines, commands and operands.

use std::sync::Arc;

use super::ast::{Command, Operand, OperandKind, Pipe};
use super::token::{Kind, Token};
use super::{MAX_DEPTH, Parsed, Parser, constant};
use crate::template::print::quote;

impl Parser<'_> {
    /// A pipeline up to its closing token.
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("pipelines nested deeper than {MAX_DEPTH}")));
        }
        let pos = self.peek_non_space().pos;
        let (decl, assign) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let start = self.next;
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.next = start;
                    commands.push(self.command()?);
                }
                _ => return Err(self.unexpected(&token, context)),
            }
        }
        self.check_pipeline(&commands, context)?;
        self.depth -= 1;
        Ok(Pipe { pos, assign, decl, commands })
    }

    /// `$x :=`, `$x =` or, under `range`, `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Parsed<(Vec<Arc<str>>, bool)> {
        let mut decl: Vec<Arc<str>> = Vec::new();
        loop {
            let start = self.next;
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((decl, false));
            }
            self.next();
            let after = self.next;
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next();
                    let name: Arc<str> = Arc::from(variable.text);
                    self.vars.push(name.clone());
                    decl.push(name);
                    return Ok((decl, next.kind == Kind::Assign));
                }
                Kind::Char if next.text == "," => {
                    self.next();
                    let name: Arc<str> = Arc::from(variable.text);
                    self.vars.push(name.clone());
                    decl.push(name);
                    if context != "range" || decl.len() >= 2 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => {}
                        _ => return Err(self.error("range can only initialize variables")),
                    }
                }
                _ => {
                    // No declaration: the variable is an operand, and the space after it separates.
                    debug_assert!(after > start);
                    self.next = start;
                    return Ok((decl, false));
                }
            }
        }
    }

    fn check_pipeline(&self, commands: &[Command], context: &str) -> Parsed<()> {
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (i, command) in commands.iter().enumerate().skip(1) {
            let constant = command.args.first().is_some_and(|a| {
                matches!(
                    a.kind,
                    OperandKind::Bool(_)
                        | OperandKind::Dot
                        | OperandKind::Nil
                        | OperandKind::Number(_)
                        | OperandKind::Str { .. }
                )
            });
            if constant {
                return Err(self.error(format!("non executable command in pipeline stage {}", i + 1)));
            }
        }
        Ok(())
    }

    /// Operands separated by spaces, up to a pipe or the end of the pipeline.
    fn command(&mut self) -> Parsed<Command> {
        let mut args = Vec::new();
        loop {
            self.peek_non_space();
            args.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.next -= 1,
                Kind::Pipe => {}
                _ => return Err(self.unexpected(&token, "operand")),
            }
            break;
        }
        if args.is_empty() { Err(self.error("empty command")) } else { Ok(Command { args }) }
    }

    /// A term, perhaps followed by a chain of fields.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(term));
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            names.push(field_name(&self.next()));
        }
        match &mut term.kind {
            OperandKind::Field(own) | OperandKind::Variable(own) => {
                own.append(&mut names);
                term.pos = first.pos;
                Ok(Some(term))
            }
            OperandKind::Bool(_)
            | OperandKind::Str { .. }
            | OperandKind::Number(_)
            | OperandKind::Nil
            | OperandKind::Dot => Err(self.error(format!("unexpected . after term {}", quote(&term.to_string())))),
            _ => Ok(Some(Operand { pos: first.pos, kind: OperandKind::Chain(Box::new(term), names) })),
        }
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let kind = match token.kind {
            Kind::Identifier => match (self.functions)(&token.text) {
                Some(function) => OperandKind::Function(function),
                None => return Err(self.error(format!("function {} not defined", quote(&token.text)))),
            },
            Kind::Dot => OperandKind::Dot,
            Kind::Nil => OperandKind::Nil,
            Kind::Variable => {
                if !self.vars.iter().any(|v| **v == token.text) {
                    return Err(self.error(format!("undefined variable {}", quote(&token.text))));
                }
                OperandKind::Variable(vec![Arc::from(token.text.as_str())])
            }
            Kind::Field => OperandKind::Field(vec![field_name(&token)]),
            Kind::Bool => OperandKind::Bool(token.text == "true"),
            Kind::CharConstant => match constant::character(&token.text) {
                Some(n) => OperandKind::Number(n),
                None => return Err(self.error(format!("malformed character constant: {}", token.text))),
            },
            Kind::Number => match constant::number(&token.text) {
                Some(n) => OperandKind::Number(n),
                None => return Err(self.error(format!("illegal number syntax: {}", quote(&token.text)))),
            },
            Kind::LeftParen => OperandKind::Pipe(self.pipeline("parenthesized pipeline", Kind::RightParen)?),
            Kind::String | Kind::RawString => match constant::unquote(&token.text) {
                Some(text) => {
                    OperandKind::Str { source: Arc::from(token.text.as_str()), text: Arc::from(text.as_str()) }
                }
                None => return Err(self.error("invalid syntax")),
            },
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Operand { pos: token.pos, kind }))
    }
}

fn field_name(token: &Token) -> Arc<str> {
    Arc::from(token.text.strip_prefix('.').unwrap_or(&token.text))
}
