//! The parser: text to syntax trees, one a defined template.

pub(crate) mod ast;
mod constant;
mod expression;
mod lexer;
mod token;

use std::sync::Arc;

use self::ast::{Block, Branch, Node, Pipe};
use self::token::{Kind, Token};
use crate::template::error::ParseError;
use crate::template::func::Function;

/// How deep blocks and parentheses may nest.
const MAX_DEPTH: usize = 100;
/// The longest template text accepted, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// A parsed template: its name, its tree, and the text it stands in, for errors.
#[derive(Clone)]
pub(crate) struct Tree {
    pub name: Arc<str>,
    /// The name of the text that defines it.
    pub parse_name: Arc<str>,
    pub text: Arc<str>,
    pub root: Block,
}

impl Tree {
    /// Whether it holds nothing but space.
    pub fn is_empty(&self) -> bool {
        self.root.0.iter().all(|n| matches!(n, Node::Text(t) if t.trim().is_empty()))
    }

    /// `name:line:column` of a place in the text, as Go counts: lines from 1, columns from 0 on the first line.
    pub fn location(&self, pos: usize) -> String {
        let before = self.text.get(..pos).unwrap_or(&self.text);
        let column = match before.rfind('\n') {
            Some(newline) => before.len() - newline - 1,
            None => before.len(),
        };
        format!("{}:{}:{column}", self.parse_name, 1 + before.matches('\n').count())
    }
}

/// Parses a text. The first tree is the text's own, the others are what it defines.
pub(crate) fn parse(
    name: &str,
    text: &str,
    functions: &dyn Fn(&str) -> Option<&'static Function>,
) -> Result<Vec<Tree>, ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError {
            name: name.into(),
            line: 1,
            message: format!("template longer than {MAX_TEXT} bytes"),
        });
    }
    let parser = Parser {
        name: Arc::from(name),
        text: Arc::from(text),
        functions,
        tokens: lexer::lex(text),
        next: 0,
        seen: 0,
        vars: vec![Arc::from("$")],
        range_depth: 0,
        depth: 0,
        action_line: 0,
        defined: Vec::new(),
    };
    parser.run()
}

/// How a list of nodes ended.
enum End {
    End,
    /// `else`, and the word that follows in the same action, if it is one that `else` chains with.
    Else,
}

impl End {
    fn describe(&self) -> &'static str {
        match self {
            End::End => "{{end}}",
            End::Else => "{{else}}",
        }
    }
}

/// One node, or the end of the list.
enum Item {
    Node(Node),
    End(End),
}

struct Parser<'a> {
    name: Arc<str>,
    text: Arc<str>,
    functions: &'a dyn Fn(&str) -> Option<&'static Function>,
    tokens: Vec<Token>,
    next: usize,
    /// How many tokens have been looked at: errors name the line of the last.
    seen: usize,
    vars: Vec<Arc<str>>,
    range_depth: usize,
    depth: usize,
    action_line: usize,
    defined: Vec<Tree>,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser<'_> {
    fn run(mut self) -> Parsed<Vec<Tree>> {
        let mut root = Block::default();
        loop {
            match self.peek().kind {
                Kind::Eof => break,
                Kind::LeftDelim => {
                    let delim = self.next;
                    self.next();
                    if self.next_non_space().is_keyword("define") {
                        self.definition()?;
                        continue;
                    }
                    self.next = delim;
                }
                _ => {}
            }
            match self.text_or_action()? {
                Item::Node(n) => root.0.push(n),
                Item::End(e) => return Err(self.error(format!("unexpected {}", e.describe()))),
            }
        }
        let own = Tree { name: self.name.clone(), parse_name: self.name.clone(), text: self.text.clone(), root };
        let mut trees = vec![own];
        trees.append(&mut self.defined);
        Ok(trees)
    }

    fn peek(&mut self) -> Token {
        self.seen = self.seen.max(self.next + 1);
        match self.tokens.get(self.next).or_else(|| self.tokens.last()) {
            Some(t) => t.clone(),
            None => Token { kind: Kind::Eof, pos: 0, line: 1, text: String::new() },
        }
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn peek_non_space(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    fn next_non_space(&mut self) -> Token {
        self.peek_non_space();
        self.next()
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        let last = self.seen.min(self.tokens.len()).saturating_sub(1);
        let line = self.tokens.get(last).map_or(1, |t| t.line);
        ParseError { name: self.name.to_string(), line, message: message.into() }
    }

    fn unexpected(&self, token: &Token, context: &str) -> ParseError {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", token.describe()));
        }
        let mut extra = String::new();
        if self.action_line != 0 && self.action_line != token.line {
            extra = format!(" in action started at {}:{}", self.name, self.action_line);
            if token.text.ends_with(" action") {
                extra = extra.replacen(" in action", "", 1);
            }
        }
        self.error(format!("{}{extra}", token.text))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(&token, context)) }
    }

    /// `{{define "name"}} ... {{end}}`, after the word.
    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let name = self.template_name(CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.body(name, CONTEXT)
    }

    /// The nodes of a definition up to its `end`, with a scope of its own.
    fn body(&mut self, name: Arc<str>, context: &str) -> Parsed<()> {
        let vars = std::mem::replace(&mut self.vars, vec![Arc::from("$")]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (root, end) = self.list()?;
        if matches!(end, End::Else) {
            return Err(self.error(format!("unexpected {} in {context}", end.describe())));
        }
        self.vars = vars;
        self.range_depth = range_depth;
        let tree = Tree { name, parse_name: self.name.clone(), text: self.text.clone(), root };
        self.define(tree)
    }

    fn define(&mut self, tree: Tree) -> Parsed<()> {
        match self.defined.iter().position(|t| t.name == tree.name) {
            None => self.defined.push(tree),
            Some(_) if tree.is_empty() => {}
            Some(i) => match self.defined.get_mut(i) {
                Some(old) if old.is_empty() => *old = tree,
                _ => {
                    let quoted = crate::template::print::quote(&tree.name);
                    return Err(self.error(format!("template: multiple definition of template {quoted}")));
                }
            },
        }
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Parsed<Arc<str>> {
        let token = self.next_non_space();
        match token.kind {
            Kind::String | Kind::RawString => {
                constant::unquote(&token.text).map(Arc::from).ok_or_else(|| self.error("invalid syntax"))
            }
            _ => Err(self.unexpected(&token, context)),
        }
    }

    fn list(&mut self) -> Parsed<(Block, End)> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("blocks nested deeper than {MAX_DEPTH}")));
        }
        let mut block = Block::default();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(n) => block.0.push(n),
                Item::End(end) => {
                    self.depth -= 1;
                    return Ok((block, end));
                }
            }
        }
        Err(self.error("unexpected EOF"))
    }

    fn text_or_action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(Arc::from(token.text)))),
            Kind::LeftDelim => {
                self.action_line = token.line;
                let item = self.action();
                self.action_line = 0;
                item
            }
            _ => Err(self.unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.peek_non_space();
        if token.kind != Kind::Keyword {
            let pos = token.pos;
            // Variables declared here live until the enclosing block ends.
            let pipe = self.pipeline("command", Kind::RightDelim)?;
            return Ok(Item::Node(Node::Action { pos, pipe }));
        }
        self.next();
        match token.text.as_str() {
            "if" => self.branch("if").map(|b| Item::Node(Node::If(b))),
            "range" => self.branch("range").map(|b| Item::Node(Node::Range(b))),
            "with" => self.branch("with").map(|b| Item::Node(Node::With(b))),
            "end" => {
                self.expect(Kind::RightDelim, "end")?;
                Ok(Item::End(End::End))
            }
            "else" => self.else_(),
            "break" => self.loop_word("{{break}}").map(|()| Item::Node(Node::Break)),
            "continue" => self.loop_word("{{continue}}").map(|()| Item::Node(Node::Continue)),
            "block" => self.block(),
            "template" => self.template(),
            _ => Err(self.unexpected(&token, "command")),
        }
    }

    fn else_(&mut self) -> Parsed<Item> {
        let next = self.peek_non_space();
        if !next.is_keyword("if") && !next.is_keyword("with") {
            self.expect(Kind::RightDelim, "else")?;
        }
        Ok(Item::End(End::Else))
    }

    fn loop_word(&mut self, word: &str) -> Parsed<()> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(&token, word));
        }
        if self.range_depth == 0 {
            return Err(self.error(format!("{word} outside {{{{range}}}}")));
        }
        Ok(())
    }

    fn block(&mut self) -> Parsed<Item> {
        const CONTEXT: &str = "block clause";
        let pos = self.peek_non_space().pos;
        let name = self.template_name(CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.body(name.clone(), CONTEXT)?;
        Ok(Item::Node(Node::Template { pos, name, pipe: Some(pipe) }))
    }

    fn template(&mut self) -> Parsed<Item> {
        const CONTEXT: &str = "template clause";
        let pos = self.peek_non_space().pos;
        let name = self.template_name(CONTEXT)?;
        let pipe = if self.peek_non_space().kind == Kind::RightDelim {
            self.next();
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(Item::Node(Node::Template { pos, name, pipe }))
    }

    fn branch(&mut self, word: &'static str) -> Parsed<Branch> {
        let vars = self.vars.len();
        let pipe: Pipe = self.pipeline(word, Kind::RightDelim)?;
        let is_range = usize::from(word == "range");
        self.range_depth += is_range;
        let (body, end) = self.list()?;
        self.range_depth -= is_range;
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(word)?),
        };
        self.vars.truncate(vars);
        Ok(Branch { pos: pipe.pos, word, pipe, body, otherwise })
    }

    /// What follows `else`: `if` under `if` and `with` under `with` chain without an `end` of their own.
    fn otherwise(&mut self, word: &'static str) -> Parsed<Block> {
        if (word == "if" || word == "with") && self.peek().is_keyword(word) {
            self.next();
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(self.error(format!("blocks nested deeper than {MAX_DEPTH}")));
            }
            let inner = self.branch(word)?;
            self.depth -= 1;
            return Ok(Block(vec![if word == "if" { Node::If(inner) } else { Node::With(inner) }]));
        }
        let (block, end) = self.list()?;
        match end {
            End::End => Ok(block),
            End::Else => Err(self.error(format!("expected end; found {}", end.describe()))),
        }
    }
}
