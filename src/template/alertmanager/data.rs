//! What notification templates see: the group, its alerts, and label sets with methods.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::model::Labels;
use crate::template::carry;
use crate::template::value::{CallError, LONGEST_TEXT, MapView, Object, Shape, Value, too_long};
use crate::template::{Foreign, List, Time};

/// The dot of a notification's templates.
#[derive(Clone)]
pub struct Data {
    /// The receiver's name.
    pub receiver: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// The alerts.
    pub alerts: Vec<AlertData>,
    /// Why the notification is sent, as text; empty when unknown.
    pub notification_reason: String,
    /// The labels the group is formed by.
    pub group_labels: Labels,
    /// The labels all alerts share.
    pub common_labels: Labels,
    /// The annotations all alerts share.
    pub common_annotations: Labels,
    /// The labels of the group's route, rendered.
    pub route_labels: Labels,
    /// The server's address as users reach it.
    pub external_url: String,
}

/// One alert.
#[derive(Clone)]
pub struct AlertData {
    /// `firing` or `resolved`.
    pub status: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// When it began.
    pub starts_at: Time,
    /// When it resolved; the zero time while it fires.
    pub ends_at: Time,
    /// A link to what raised it.
    pub generator_url: String,
    /// Its labels' fingerprint, 16 hexadecimal digits.
    pub fingerprint: String,
    /// The value of our rule's expression, when it last held. What was posted has none.
    pub value: Option<f64>,
    /// What our rule measured when it resolved.
    pub resolved_value: Option<f64>,
}

impl Data {
    /// The data as templates take it.
    pub fn into_value(self) -> Value {
        self.into_marked(Marks::None)
    }

    /// The data as templates of a markup take it: what is not to be read as markup is marked.
    pub fn into_marked(self, marks: Marks) -> Value {
        let alerts = self.alerts.iter().map(|alert| Value::object(Alert { data: alert.clone(), marks })).collect();
        Value::object(Dot { alerts: Value::object(Alerts(alerts)), data: self, marks })
    }

    /// All but the alerts.
    pub fn without_alerts(&self) -> Data {
        Data {
            receiver: self.receiver.clone(),
            status: self.status.clone(),
            alerts: Vec::new(),
            notification_reason: self.notification_reason.clone(),
            group_labels: self.group_labels.clone(),
            common_labels: self.common_labels.clone(),
            common_annotations: self.common_annotations.clone(),
            route_labels: self.route_labels.clone(),
            external_url: self.external_url.clone(),
        }
    }

    /// The data as webhooks carry it, without what only webhooks add.
    pub fn to_json(&self) -> Json {
        let mut fields = json!({
            "receiver": self.receiver,
            "status": self.status,
            "alerts": self.alerts.iter().map(AlertData::to_json).collect::<Vec<_>>(),
            "notification_reason": self.notification_reason,
            "groupLabels": self.group_labels,
            "commonLabels": self.common_labels,
            "commonAnnotations": self.common_annotations,
            "externalURL": self.external_url,
        });
        if let (Json::Object(fields), false) = (&mut fields, self.route_labels.is_empty()) {
            fields.insert("routeLabels".into(), json!(self.route_labels));
        }
        fields
    }
}

/// Which texts are foreign to a markup ([`Value::Foreign`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// None: no markup is written.
    None,
    /// Names and values of labels, links, and the receiver's name: annotations are written as markup.
    Labels,
    /// Annotations too.
    All,
}

impl Marks {
    fn text(self, text: &str) -> Value {
        if self == Marks::None { Value::str(text) } else { Value::foreign(text) }
    }

    fn link(self, text: &str) -> Value {
        if self == Marks::None { Value::str(text) } else { Value::foreign_url(text) }
    }

    fn labels(self, labels: &Labels) -> Value {
        kv(labels, self != Marks::None)
    }

    fn annotations(self, annotations: &Labels) -> Value {
        kv(annotations, self == Marks::All)
    }
}

/// The data with its alerts as templates see them, made once: a template may ask for them at each alert.
struct Dot {
    data: Data,
    alerts: Value,
    marks: Marks,
}

/// An alert as templates see it.
struct Alert {
    data: AlertData,
    marks: Marks,
}

impl AlertData {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.status == "firing"
    }

    /// The alert as webhooks carry it.
    pub fn to_json(&self) -> Json {
        json!({
            "status": self.status,
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": self.starts_at.rfc3339(),
            "endsAt": self.ends_at.rfc3339(),
            "generatorURL": self.generator_url,
            "fingerprint": self.fingerprint,
        })
    }
}

fn kv(labels: &Labels, foreign: bool) -> Value {
    Value::object(Kv { labels: labels.clone(), foreign })
}

fn no_args(args: &[Value], value: impl FnOnce() -> Value) -> Result<Value, CallError> {
    if args.is_empty() { Ok(value()) } else { Err(CallError::Count { want: 0 }) }
}

/// The fields of a struct, from a list of names and `field`.
fn fields(object: &dyn Object, names: &[&'static str]) -> Shape<'static> {
    Shape::Struct(names.iter().filter_map(|n| object.field(n).map(|v| (*n, v))).collect())
}

impl Object for Dot {
    fn type_name(&self) -> &'static str {
        "template.Data"
    }
    fn shape(&self) -> Shape<'_> {
        let mut names = vec![
            "Receiver",
            "Status",
            "Alerts",
            "NotificationReason",
            "GroupLabels",
            "CommonLabels",
            "CommonAnnotations",
            "ExternalURL",
        ];
        // The whole dot prints as it did before there were labels of routes.
        names.extend((!self.data.route_labels.is_empty()).then_some("RouteLabels"));
        fields(self, &names)
    }
    fn field(&self, name: &str) -> Option<Value> {
        let data = &self.data;
        Some(match name {
            "Receiver" => self.marks.text(&data.receiver),
            "Status" => Value::str(&data.status),
            "Alerts" => self.alerts.clone(),
            "NotificationReason" => Value::str(&data.notification_reason),
            "GroupLabels" => self.marks.labels(&data.group_labels),
            "CommonLabels" => self.marks.labels(&data.common_labels),
            "CommonAnnotations" => self.marks.annotations(&data.common_annotations),
            "RouteLabels" => self.marks.annotations(&data.route_labels),
            "ExternalURL" => Value::str(&data.external_url),
            _ => return None,
        })
    }
    fn json(&self) -> Option<Json> {
        Some(self.data.to_json())
    }
}

impl Object for Alert {
    fn type_name(&self) -> &'static str {
        "template.Alert"
    }
    fn shape(&self) -> Shape<'_> {
        fields(self, &["Status", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint"])
    }
    fn field(&self, name: &str) -> Option<Value> {
        let alert = &self.data;
        // What is not known prints as nothing, and is false.
        let number = |value: Option<f64>| value.map_or_else(|| Value::str(""), Value::Float);
        Some(match name {
            "Value" => number(alert.value),
            "ResolvedValue" => number(alert.resolved_value),
            "Status" => Value::str(&alert.status),
            "Labels" => self.marks.labels(&alert.labels),
            "Annotations" => self.marks.annotations(&alert.annotations),
            "StartsAt" => Value::Time(alert.starts_at),
            "EndsAt" => Value::Time(alert.ends_at),
            "GeneratorURL" => self.marks.link(&alert.generator_url),
            "Fingerprint" => Value::str(&alert.fingerprint),
            _ => return None,
        })
    }
    fn json(&self) -> Option<Json> {
        Some(self.data.to_json())
    }
}

/// The alerts of a notification.
struct Alerts(Vec<Value>);

impl Alerts {
    fn with_status(&self, status: &str) -> Value {
        let has = |v: &&Value| match v {
            Value::Object(o) => o.field("Status").is_some_and(|s| s.as_str() == Some(status)),
            _ => false,
        };
        let items = self.0.iter().filter(has).cloned().collect();
        Value::List(Arc::new(List::new(items, "[]template.Alert")))
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &'static str {
        "template.Alerts"
    }
    fn shape(&self) -> Shape<'_> {
        Shape::List(&self.0)
    }
    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
        match name {
            "Firing" => Some(no_args(args, || self.with_status("firing"))),
            "Resolved" => Some(no_args(args, || self.with_status("resolved"))),
            _ => None,
        }
    }
}

/// A label set or a set of annotations, with methods.
pub struct Kv {
    labels: Labels,
    foreign: bool,
}

impl Kv {
    fn value(&self, text: &str) -> Value {
        if self.foreign { Value::foreign(text) } else { Value::str(text) }
    }

    fn pairs(&self) -> Value {
        // The alert's name comes first, the others in order.
        let name = self.labels.iter().filter(|(n, _)| *n == crate::model::ALERT_NAME);
        let others = self.labels.iter().filter(|(n, _)| *n != crate::model::ALERT_NAME);
        let pair = |(n, v): (&str, &str)| Value::object(Pair(self.value(n), self.value(v)));
        Value::object(Pairs(name.chain(others).map(pair).collect()))
    }

    fn remove(&self, names: &Value) -> Value {
        let gone: Vec<&str> = names.as_list().unwrap_or(&[]).iter().filter_map(Value::as_str).collect();
        kv(&self.labels.filter(|n| !gone.contains(&n)), self.foreign)
    }
}

impl MapView for Kv {
    fn get(&self, key: &str) -> Option<Value> {
        self.labels.get(key).map(|value| self.value(value))
    }
    fn entries(&self) -> Vec<(Arc<str>, Value)> {
        self.labels.iter().map(|(name, value)| (Arc::from(name), self.value(value))).collect()
    }
    fn len(&self) -> usize {
        self.labels.len()
    }
    fn zero(&self) -> Value {
        Value::str("")
    }
    fn type_name(&self) -> &'static str {
        "template.KV"
    }
}

impl Object for Kv {
    fn type_name(&self) -> &'static str {
        "template.KV"
    }
    fn shape(&self) -> Shape<'_> {
        Shape::Map(self)
    }
    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
        let pairs = || match self.pairs() {
            Value::Object(pairs) => pairs,
            _ => Arc::new(Pairs(Vec::new())),
        };
        Some(match name {
            "SortedPairs" => no_args(args, || self.pairs()),
            "Names" | "Values" => return pairs().method(name, args),
            "String" => no_args(args, || self.value(&self.text().unwrap_or_default())),
            "Remove" => match args {
                [names] if names.type_name() == "[]string" => Ok(self.remove(names)),
                [Value::Nil] => Ok(kv(&self.labels, self.foreign)),
                [_] => Err(CallError::Type { index: 0, want: "[]string" }),
                _ => Err(CallError::Count { want: 1 }),
            },
            _ => return None,
        })
    }
    fn text(&self) -> Option<String> {
        match self.pairs() {
            Value::Object(pairs) => pairs.text(),
            _ => None,
        }
    }
    fn json(&self) -> Option<Json> {
        serde_json::to_value(&self.labels).ok()
    }
}

/// Labels in order, the alert's name first.
struct Pairs(Vec<Value>);

impl Pairs {
    fn column(&self, name: &str) -> Vec<Value> {
        self.0.iter().filter_map(|p| if let Value::Object(p) = p { p.field(name) } else { None }).collect()
    }
}

impl Object for Pairs {
    fn type_name(&self) -> &'static str {
        "template.Pairs"
    }
    fn shape(&self) -> Shape<'_> {
        Shape::List(&self.0)
    }
    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, CallError>> {
        let strings = |items| Value::List(Arc::new(List::new(items, "[]string")));
        match name {
            "Names" => Some(no_args(args, || strings(self.column("Name")))),
            "Values" => Some(no_args(args, || strings(self.column("Value")))),
            "String" => Some(no_args(args, || {
                let text = Value::from(self.text().unwrap_or_default());
                if carry::is_foreign(&Value::list(self.column("Value"))) { carry::mark(text) } else { text }
            })),
            _ => None,
        }
    }
    fn text(&self) -> Option<String> {
        let pairs = self.column("Name").into_iter().zip(self.column("Value"));
        let text = |(n, v): (Value, Value)| format!("{}={}", n.as_str().unwrap_or(""), v.as_str().unwrap_or(""));
        Some(pairs.map(text).collect::<Vec<_>>().join(", "))
    }
}

struct Pair(Value, Value);

impl Object for Pair {
    fn type_name(&self) -> &'static str {
        "template.Pair"
    }
    fn shape(&self) -> Shape<'_> {
        Shape::Struct(vec![("Name", self.0.clone()), ("Value", self.1.clone())])
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Name" => Some(self.0.clone()),
            "Value" => Some(self.1.clone()),
            _ => None,
        }
    }
}

/// Any value as JSON, as Go's encoder sees it.
///
/// # Errors
/// It is longer than any text may be.
pub(super) fn to_json(value: &Value) -> Result<Json, CallError> {
    let mut left = LONGEST_TEXT;
    json_of(value, &mut left)
}

/// The JSON of a value; takes what it costs from `left`. Lists that hold one list many times cost it every time.
fn json_of(value: &Value, left: &mut usize) -> Result<Json, CallError> {
    let cost = 1 + value.as_str().map_or(0, str::len);
    *left = left.checked_sub(cost).ok_or_else(too_long)?;
    let mut list = |items: &[Value]| items.iter().map(|v| json_of(v, left)).collect::<Result<Vec<Json>, _>>();
    Ok(match value {
        Value::Nil | Value::Complex(..) => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) | Value::Duration(i) => Json::from(*i),
        Value::Byte(b) => Json::from(*b),
        Value::Float(f) => number(*f),
        Value::Str(s) | Value::Safe(_, s) | Value::Foreign(Foreign { text: s, .. }) => Json::from(&**s),
        Value::Time(t) => Json::from(t.rfc3339()),
        Value::List(l) => Json::Array(list(&l.items)?),
        Value::Map(m) => object(m.entries().into_iter().map(|(k, v)| (k.to_string(), v)), left)?,
        Value::Object(o) => match (o.json(), o.shape()) {
            (Some(json), _) => {
                *left = left.checked_sub(json.to_string().len()).ok_or_else(too_long)?;
                json
            }
            (None, Shape::Struct(fields)) => object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)), left)?,
            (None, Shape::List(items)) => Json::Array(list(items)?),
            (None, Shape::Map(m)) => object(m.entries().into_iter().map(|(k, v)| (k.to_string(), v)), left)?,
            (None, Shape::Int(i)) => Json::from(i),
        },
    })
}

fn number(f: f64) -> Json {
    // Go writes whole floats without a point.
    if f.fract() == 0.0 && f.abs() < 1e15 { Json::from(f as i64) } else { Json::from(f) }
}

fn object(fields: impl Iterator<Item = (String, Value)>, left: &mut usize) -> Result<Json, CallError> {
    let fields = fields.map(|(k, v)| Ok((k, json_of(&v, left)?)));
    Ok(Json::Object(fields.collect::<Result<Map<_, _>, CallError>>()?))
}
