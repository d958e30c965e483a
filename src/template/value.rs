//! The values templates compute with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::Labels;
use crate::template::foreign::Foreign;
use crate::template::time::Time;

/// A value inside a template. Cloning is cheap: everything large is shared.
#[derive(Clone)]
pub enum Value {
    /// Nothing: Go's untyped nil, or a missing value. Prints `<no value>`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// A byte of a string (Go's `uint8`), as `index "abc" 1` gives it.
    Byte(u8),
    /// Go's `float64`.
    Float(f64),
    /// Go's `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// A string.
    Str(Arc<str>),
    /// A string its author vouches for: HTML escaping leaves it alone where its kind fits.
    Safe(SafeKind, Arc<str>),
    /// A string that an alert brought in, in a template that writes markup.
    Foreign(Foreign),
    /// A length of time in nanoseconds (Go's `time.Duration`).
    Duration(i64),
    /// A point in time with its zone.
    Time(Time),
    /// A list.
    List(Arc<List>),
    /// A map with string keys.
    Map(Arc<dyn MapView>),
    /// A struct, or a named type with methods.
    Object(Arc<dyn Object>),
}

/// What a [`Value::Safe`] string is safe as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeKind {
    /// HTML markup (`template.HTML`).
    Html,
    /// A URL (`template.URL`).
    Url,
    /// What `html` made of a string; still one, and not to be escaped again.
    EscapedHtml,
    /// What `urlquery` made of a string; still one, and not to be escaped again.
    EscapedQuery,
}

/// The longest text a function makes, bytes.
pub const LONGEST_TEXT: usize = 1 << 20;

/// What a function says that would make a longer one.
pub(super) fn too_long() -> CallError {
    CallError::Exhausted(format!("text is longer than {LONGEST_TEXT} bytes"))
}

/// A list and the name of its Go type.
pub struct List {
    /// Its elements.
    pub items: Vec<Value>,
    /// As `%T` prints it: `[]string`, `[]interface {}`.
    pub type_name: &'static str,
    /// How deep lists and maps lie inside one another, itself included.
    depth: usize,
}

impl List {
    /// A list of a Go type.
    pub fn new(items: Vec<Value>, type_name: &'static str) -> Self {
        let depth = depth_of(items.iter());
        List { items, type_name, depth }
    }
}

/// The depth of a collection of values.
fn depth_of<'v>(values: impl Iterator<Item = &'v Value>) -> usize {
    values.map(Value::depth).max().unwrap_or(0).saturating_add(1)
}

/// A map with string keys, seen from a template.
pub trait MapView: Send + Sync {
    /// The value under a key.
    fn get(&self, key: &str) -> Option<Value>;
    /// All entries in ascending order of keys.
    fn entries(&self) -> Vec<(Arc<str>, Value)>;
    /// The number of entries.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How deep lists and maps lie inside one another, itself included.
    fn depth(&self) -> usize {
        1
    }
    /// What a missing key yields: the element type's zero value.
    fn zero(&self) -> Value;
    /// As `%T` prints it: `map[string]string`.
    fn type_name(&self) -> &'static str;
}

/// How an [`Object`] looks to the engine apart from its methods.
pub enum Shape<'a> {
    /// A struct: its exported fields in order.
    Struct(Vec<(&'static str, Value)>),
    /// A named list type.
    List(&'a [Value]),
    /// A named map type.
    Map(&'a dyn MapView),
    /// A named integer type, such as a month.
    Int(i64),
}

/// A struct, or a named type with methods.
pub trait Object: Send + Sync {
    /// The Go type, as errors and `%T` name it: `template.Alert`.
    fn type_name(&self) -> &'static str;

    /// Its structure.
    fn shape(&self) -> Shape<'_>;

    /// A field by name. The default looks through [`Object::shape`].
    fn field(&self, name: &str) -> Option<Value> {
        match self.shape() {
            Shape::Struct(fields) => fields.into_iter().find(|(n, _)| *n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Calls a method; `None` when the type has none of that name.
    fn method(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, CallError>> {
        None
    }

    /// Go's `String` method, which printing uses.
    fn text(&self) -> Option<String> {
        None
    }

    /// The object as JSON, for types that name their fields differently there than in templates.
    fn json(&self) -> Option<serde_json::Value> {
        None
    }
}

/// Why a function or a method did not give a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The method takes another number of arguments.
    Count {
        /// How many it takes.
        want: usize,
    },
    /// The argument at this place has another type than this one.
    Type {
        /// The argument's place, from 0.
        index: usize,
        /// The Go type wanted.
        want: &'static str,
    },
    /// It ran and failed.
    Failed(String),
    /// It would make more than one may.
    Exhausted(String),
}

impl CallError {
    /// A failure with this text.
    pub fn failed(text: impl Into<String>) -> Self {
        CallError::Failed(text.into())
    }
}

impl<T: Into<String>> From<T> for CallError {
    fn from(text: T) -> Self {
        CallError::Failed(text.into())
    }
}

impl Value {
    /// A string.
    pub fn str(s: impl AsRef<str>) -> Self {
        Value::Str(Arc::from(s.as_ref()))
    }

    /// A list of strings (`[]string`).
    pub fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items.into_iter().map(Value::str).collect();
        Value::List(Arc::new(List::new(items, "[]string")))
    }

    /// A list of anything (`[]interface {}`).
    pub fn list(items: Vec<Value>) -> Self {
        Value::List(Arc::new(List::new(items, "[]interface {}")))
    }

    /// A map of anything (`map[string]interface {}`); the last of several equal keys wins.
    pub fn map<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries: BTreeMap<Arc<str>, Value> = entries.into_iter().map(|(k, v)| (Arc::from(k.as_ref()), v)).collect();
        let depth = depth_of(entries.values());
        Value::Map(Arc::new(AnyMap { entries, depth }))
    }

    /// A label set as `map[string]string`.
    pub fn labels(labels: &Labels) -> Self {
        Value::Map(Arc::new(labels.clone()))
    }

    /// An object.
    pub fn object(object: impl Object + 'static) -> Self {
        Value::Object(Arc::new(object))
    }

    /// The Go type's name, as `%T` and errors write it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Byte(_) => "uint8",
            Value::Float(_) => "float64",
            Value::Complex(..) => "complex128",
            Value::Str(_) | Value::Foreign(_) => "string",
            Value::Safe(SafeKind::Html, _) => "template.HTML",
            Value::Safe(SafeKind::Url, _) => "template.URL",
            Value::Safe(SafeKind::EscapedHtml | SafeKind::EscapedQuery, _) => "string",
            Value::Duration(_) => "time.Duration",
            Value::Time(_) => "time.Time",
            Value::List(l) => l.type_name,
            Value::Map(m) => m.type_name(),
            Value::Object(o) => o.type_name(),
        }
    }

    /// Go's truth: zero, nil, and empty strings, lists and maps are false; structs are always true.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(i) | Value::Duration(i) => *i != 0,
            Value::Byte(b) => *b != 0,
            Value::Float(f) => *f != 0.0,
            Value::Complex(r, i) => *r != 0.0 || *i != 0.0,
            Value::Str(s) | Value::Safe(_, s) | Value::Foreign(Foreign { text: s, .. }) => !s.is_empty(),
            Value::Time(_) => true,
            Value::List(l) => !l.items.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Object(o) => match o.shape() {
                Shape::Struct(_) => true,
                Shape::List(l) => !l.is_empty(),
                Shape::Map(m) => !m.is_empty(),
                Shape::Int(i) => i != 0,
            },
        }
    }

    /// How deep lists and maps lie inside one another.
    pub fn depth(&self) -> usize {
        match self {
            Value::List(l) => l.depth,
            Value::Map(m) => m.depth(),
            _ => 0,
        }
    }

    /// About how many bytes were written to make the value: what it refers to was there before.
    pub fn made_of(&self) -> usize {
        const ELEMENT: usize = 24;
        match self {
            Value::Str(s) | Value::Safe(_, s) | Value::Foreign(Foreign { text: s, .. }) => s.len(),
            Value::List(l) => l.items.len().saturating_mul(ELEMENT),
            Value::Map(m) => m.len().saturating_mul(2 * ELEMENT),
            _ => 0,
        }
    }

    /// The text of a string of any kind.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(s) | Value::Safe(_, s) | Value::Foreign(Foreign { text: s, .. }) => Some(s),
            _ => None,
        }
    }

    /// The elements of a list of any kind.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(l) => Some(&l.items),
            Value::Object(o) => match o.shape() {
                Shape::List(l) => Some(l),
                _ => None,
            },
            _ => None,
        }
    }

    /// The map behind a map of any kind.
    pub fn as_map(&self) -> Option<&dyn MapView> {
        match self {
            Value::Map(m) => Some(m.as_ref()),
            Value::Object(o) => match o.shape() {
                Shape::Map(m) => Some(m),
                _ => None,
            },
            _ => None,
        }
    }

    /// The integer in a value of any integer type.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(i) | Value::Duration(i) => Some(*i),
            Value::Byte(b) => Some(i64::from(*b)),
            Value::Object(o) => match o.shape() {
                Shape::Int(i) => Some(i),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::str(s)
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::Str(Arc::from(s))
    }
}

/// `map[string]interface {}`.
struct AnyMap {
    entries: BTreeMap<Arc<str>, Value>,
    depth: usize,
}

impl MapView for AnyMap {
    fn get(&self, key: &str) -> Option<Value> {
        self.entries.get(key).cloned()
    }
    fn entries(&self) -> Vec<(Arc<str>, Value)> {
        self.entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
    fn len(&self) -> usize {
        self.entries.len()
    }
    fn depth(&self) -> usize {
        self.depth
    }
    fn zero(&self) -> Value {
        Value::Nil
    }
    fn type_name(&self) -> &'static str {
        "map[string]interface {}"
    }
}

/// Label sets are `map[string]string`, read in place.
impl MapView for Labels {
    fn get(&self, key: &str) -> Option<Value> {
        Labels::get(self, key).map(Value::str)
    }
    fn entries(&self) -> Vec<(Arc<str>, Value)> {
        self.iter().map(|(n, v)| (Arc::from(n), Value::str(v))).collect()
    }
    fn len(&self) -> usize {
        Labels::len(self)
    }
    fn is_empty(&self) -> bool {
        Labels::is_empty(self)
    }
    fn zero(&self) -> Value {
        Value::Str(Arc::from(""))
    }
    fn type_name(&self) -> &'static str {
        "map[string]string"
    }
}
