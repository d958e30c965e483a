//! What a template of an alert refers to: its labels, the server's, its value, queries. For tools that look at rules.

use std::sync::Arc;

use super::{PREAMBLE, SET};
use crate::template::parse::ast::{Block, Branch, Command, Node, Operand, OperandKind, Pipe};
use crate::template::{Kind, Template};

/// Something that a template refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// What.
    pub what: Used,
    /// Where, in bytes from the text's beginning.
    pub at: usize,
    /// How many bytes.
    pub length: usize,
}

/// What a template refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Used {
    /// `$labels.NAME`, in whatever form.
    Label {
        /// The label's name.
        name: String,
        /// It stands in a condition, or under one that asks for it: the author knows that it may be missing.
        is_asked_for: bool,
    },
    /// All labels at once.
    AllLabels,
    /// `$externalLabels.NAME`: its name.
    ExternalLabel(String),
    /// `$value`.
    Value {
        /// The functions it goes through, in order.
        through: Vec<&'static str>,
        /// The text right behind the action.
        followed_by: String,
    },
    /// `query "..."`: the text of the query.
    Query(String),
}

/// What a text refers to, in the order written; nothing when it is not well formed.
pub fn uses(text: &str) -> Vec<Use> {
    let parsed = match text.contains("{{") {
        true => SET.parse("", &format!("{PREAMBLE}{text}")),
        false => return Vec::new(),
    };
    let Ok(Template(Kind::Actions { root, defined })) = parsed else { return Vec::new() };
    let mut reader = Reader { found: Vec::new(), asked: Vec::new(), dot_is_data: true };
    reader.block(&root.root);
    defined.iter().for_each(|tree| reader.block(&tree.root));
    let mut found = reader.found;
    found.retain(|used| used.at >= PREAMBLE.len());
    found.iter_mut().for_each(|used| used.at -= PREAMBLE.len());
    found
}

struct Reader {
    found: Vec<Use>,
    /// Labels that conditions around ask for.
    asked: Vec<String>,
    dot_is_data: bool,
}

/// What an operand names.
enum Named<'a> {
    Label(&'a str),
    Labels,
    ExternalLabel(&'a str),
    ExternalLabels,
    Value,
}

impl Reader {
    fn block(&mut self, block: &Block) {
        for (i, node) in block.0.iter().enumerate() {
            match node {
                Node::Action { pipe, .. } => {
                    let behind = match block.0.get(i + 1) {
                        Some(Node::Text(text)) => text.chars().take(8).collect(),
                        _ => String::new(),
                    };
                    self.pipe(pipe, &behind);
                }
                Node::If(branch) => self.branch(branch, self.dot_is_data),
                Node::With(branch) | Node::Range(branch) => self.branch(branch, false),
                Node::Template { pipe: Some(pipe), .. } => self.pipe(pipe, ""),
                Node::Template { pipe: None, .. } | Node::Text(_) | Node::Break | Node::Continue => {}
            }
        }
    }

    fn branch(&mut self, branch: &Branch, dot_is_data: bool) {
        let (before, had) = (self.found.len(), self.asked.len());
        self.pipe(&branch.pipe, "");
        for used in self.found.iter_mut().skip(before) {
            if let Used::Label { name, is_asked_for } = &mut used.what {
                *is_asked_for = true;
                self.asked.push(name.clone());
            }
        }
        let outer = std::mem::replace(&mut self.dot_is_data, dot_is_data);
        self.block(&branch.body);
        self.dot_is_data = outer;
        branch.otherwise.iter().for_each(|block| self.block(block));
        self.asked.truncate(had);
    }

    fn pipe(&mut self, pipe: &Pipe, followed_by: &str) {
        // What the later commands are given is what the first one yields.
        let later: Vec<&'static str> = pipe.commands.iter().skip(1).filter_map(function).collect();
        for (i, command) in pipe.commands.iter().enumerate() {
            let mut through: Vec<&'static str> = function(command).into_iter().collect();
            if i == 0 {
                through.extend(&later);
            }
            self.command(command, &through, followed_by);
        }
    }

    fn command(&mut self, command: &Command, through: &[&'static str], followed_by: &str) {
        let is_index = function(command) == Some("index");
        let mut arguments = command.args.iter().peekable();
        while let Some(operand) = arguments.next() {
            if let OperandKind::Pipe(inner) = &operand.kind {
                let before = self.found.len();
                self.pipe(inner, followed_by);
                for used in self.found.iter_mut().skip(before) {
                    if let Used::Value { through: own, .. } = &mut used.what {
                        own.extend(through);
                    }
                }
                continue;
            }
            if let OperandKind::Str { text, source } = &operand.kind
                && function(command) == Some("query")
            {
                self.add(Used::Query(text.to_string()), operand.pos, source.len());
            }
            let Some(named) = self.named(operand) else { continue };
            let length = operand.to_string().len();
            let what = match (named, arguments.peek().map(|next| &next.kind)) {
                (Named::Labels, Some(OperandKind::Str { text, .. })) if is_index => self.label(text),
                (Named::Labels, _) => Used::AllLabels,
                (Named::ExternalLabels, Some(OperandKind::Str { text, .. })) if is_index => {
                    Used::ExternalLabel(text.to_string())
                }
                (Named::ExternalLabels, _) => continue,
                (Named::ExternalLabel(name), _) => Used::ExternalLabel(name.to_owned()),
                (Named::Label(name), _) => self.label(name),
                (Named::Value, _) => Used::Value { through: through.to_vec(), followed_by: followed_by.to_owned() },
            };
            self.add(what, begin(operand), length);
        }
    }

    fn label(&self, name: &str) -> Used {
        Used::Label { name: name.to_owned(), is_asked_for: self.asked.iter().any(|asked| asked == name) }
    }

    fn add(&mut self, what: Used, at: usize, length: usize) {
        self.found.push(Use { what, at, length });
    }

    fn named<'o>(&self, operand: &'o Operand) -> Option<Named<'o>> {
        let of = |root: &str, names: &'o [Arc<str>]| match (root, names) {
            ("$labels" | "Labels", []) => Some(Named::Labels),
            ("$labels" | "Labels", [name, ..]) => Some(Named::Label(name)),
            ("$externalLabels" | "ExternalLabels", []) => Some(Named::ExternalLabels),
            ("$externalLabels" | "ExternalLabels", [name, ..]) => Some(Named::ExternalLabel(name)),
            ("$value" | "Value", []) => Some(Named::Value),
            _ => None,
        };
        match &operand.kind {
            OperandKind::Variable(names) => match names.split_first()? {
                (root, [first, rest @ ..]) if **root == *"$" => of(first, rest),
                (root, rest) if root.starts_with('$') => of(root, rest),
                _ => None,
            },
            OperandKind::Field(names) if self.dot_is_data => {
                names.split_first().and_then(|(root, rest)| of(root, rest))
            }
            _ => None,
        }
    }
}

/// Where an operand begins: as in Go, the place of one with several parts is where its second part begins.
fn begin(operand: &Operand) -> usize {
    let first = match &operand.kind {
        OperandKind::Variable(names) if names.len() > 1 => names.first().map_or(0, |name| name.len()),
        OperandKind::Field(names) if names.len() > 1 => names.first().map_or(0, |name| name.len() + 1),
        _ => 0,
    };
    operand.pos.saturating_sub(first)
}

fn function(command: &Command) -> Option<&'static str> {
    match command.args.first().map(|operand| &operand.kind) {
        Some(OperandKind::Function(function)) => Some(function.name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        uses(text)
            .into_iter()
            .map(|used| {
                let source = &text[used.at..used.at + used.length];
                match used.what {
                    Used::Label { name, is_asked_for } => format!("{source}: {name} {is_asked_for}"),
                    Used::AllLabels => format!("{source}: all"),
                    Used::ExternalLabel(name) => format!("{source}: external {name}"),
                    Used::Value { through, followed_by } => format!("{source}: {through:?} {followed_by:?}"),
                    Used::Query(query) => format!("{source}: {query}"),
                }
            })
            .collect()
    }

    #[test]
    fn what_a_template_refers_to_has_its_place() {
        for (text, want) in [
            ("plain", &[][..]),
            ("{{ $labels.job }} of {{ .Labels.x }}", &["$labels.job: job false", ".Labels.x: x false"]),
            ("{{ index $labels \"a\" }}", &["$labels: a false"]),
            ("{{ $value }}% full", &["$value: [] \"% full\""]),
            ("{{ $value | printf \"%.1f\" }}", &["$value: [\"printf\"] \"\""]),
            ("{{ printf \"%.1f\" $value | title }}", &["$value: [\"printf\", \"title\"] \"\""]),
            ("{{ humanize (.Value) }}", &[".Value: [\"humanize\"] \"\""]),
            (
                "{{ if $labels.a }}{{ $labels.a }}{{ end }}{{ $labels.a }}",
                &["$labels.a: a true", "$labels.a: a true", "$labels.a: a false"],
            ),
            ("{{ range query \"up\" }}{{ .Labels.x }}{{ .Value }}{{ end }}", &["\"up\": up"]),
            ("{{ $labels }}", &["$labels: all"]),
            (
                "{{ $externalLabels.a }}{{ .ExternalLabels.b }}{{ index $externalLabels \"c\" }}{{ $externalLabels }}",
                &["$externalLabels.a: external a", ".ExternalLabels.b: external b", "$externalLabels: external c"],
            ),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }
}
