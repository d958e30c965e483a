//! Templates in alerting rules: labels and annotations, with the functions of Prometheus' template reference.

mod functions;
pub(crate) mod humanize;
mod sample;
pub mod uses;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use self::sample::sample_value;
use super::func::{Host, QuerySample};
use super::{Object, ParseError, Shape, Template, TemplateSet, Value};
use crate::model::{Labels, Value as SampleValue};

/// What every template of a rule begins with: short names for what it is given.
const PREAMBLE: &str = concat!(
    "{{$labels := .Labels}}",
    "{{$externalLabels := .ExternalLabels}}",
    "{{$externalURL := .ExternalURL}}",
    "{{$value := .Value}}"
);

static SET: LazyLock<TemplateSet> = LazyLock::new(|| TemplateSet::new(&functions::TABLE));

/// A label's or an annotation's template, parsed.
#[derive(Debug)]
pub struct AlertTemplate {
    name: String,
    parsed: Result<Template, ParseError>,
}

/// Runs a query of a template at a time, in milliseconds; the error is the query's, as text.
pub type QueryFn<'a> = dyn Fn(&str, i64) -> Result<Vec<QuerySample>, String> + 'a;

/// What a template of an alert may refer to.
pub struct Expansion<'a> {
    /// `$labels`: the labels of the rule's result, metric name included.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: &'a SampleValue,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
    /// `$externalURL`.
    pub external_url: &'a str,
    /// The evaluation's time, milliseconds.
    pub at: i64,
    /// Runs a query of the template at that time.
    pub query: &'a QueryFn<'a>,
}

impl AlertTemplate {
    /// Parses a template of an alert. One that does not parse expands to the error.
    pub fn new(alert: &str, text: &str) -> Self {
        let name = format!("__alert_{alert}");
        let parsed = match text.contains("{{") {
            true => SET.parse(&name, &format!("{PREAMBLE}{text}")),
            false => SET.parse(&name, text),
        };
        AlertTemplate { name, parsed }
    }

    /// The output, when it is the same for every alert.
    pub fn constant(&self) -> Option<&str> {
        self.parsed.as_ref().ok().and_then(Template::constant)
    }

    /// The text for one alert. A template that fails gives its error, as Prometheus words it: the alert is not lost.
    pub fn expand(&self, with: &Expansion<'_>) -> String {
        self.try_expand(with).unwrap_or_else(|e| format!("<error expanding template: {e}>"))
    }

    /// The text for one alert.
    ///
    /// # Errors
    /// `error parsing template NAME: ...` or `error executing template NAME: ...`.
    pub fn try_expand(&self, with: &Expansion<'_>) -> Result<String, String> {
        let template = self.parsed.as_ref().map_err(|e| format!("error parsing template {}: {e}", self.name))?;
        if let Some(text) = template.constant() {
            return Ok(text.to_owned());
        }
        let data = Value::object(Data {
            labels: with.labels.clone(),
            external_labels: with.external_labels.clone(),
            external_url: Arc::from(with.external_url),
            value: sample_value(with.value),
        });
        let result = SET.execute(template, &data, with);
        result.map_err(|e| format!("error executing template {}: {e}", self.name))
    }
}

/// Whether a template of an alert is well formed: what rule loading checks.
///
/// # Errors
/// The syntax error, or the function that does not exist.
pub fn check(alert: &str, text: &str) -> Result<(), ParseError> {
    AlertTemplate::new(alert, text).parsed.map(|_| ())
}

/// Parsed templates by alert and text, so that each is parsed once.
#[derive(Debug, Default)]
pub struct TemplateCache(RwLock<HashMap<(String, String), Arc<AlertTemplate>>>);

impl TemplateCache {
    /// More than a server's rules hold; beyond it the cache starts anew.
    const LARGEST: usize = 100_000;

    /// The parsed template.
    pub fn get(&self, alert: &str, text: &str) -> Arc<AlertTemplate> {
        let key = (alert.to_owned(), text.to_owned());
        if let Some(found) = self.0.read().get(&key) {
            return found.clone();
        }
        let parsed = Arc::new(AlertTemplate::new(alert, text));
        let mut cache = self.0.write();
        if cache.len() >= Self::LARGEST {
            cache.clear();
        }
        cache.insert(key, parsed.clone());
        parsed
    }
}

impl Host for Expansion<'_> {
    fn now(&self) -> i64 {
        self.at
    }
    fn query(&self, query: &str) -> Result<Vec<QuerySample>, String> {
        (self.query)(query, self.at)
    }
    fn external_url(&self) -> &str {
        self.external_url
    }
}

/// The dot of an alert's template.
struct Data {
    labels: Labels,
    external_labels: Labels,
    external_url: Arc<str>,
    value: Value,
}

impl Object for Data {
    fn type_name(&self) -> &'static str {
        "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
    }
    fn shape(&self) -> Shape<'_> {
        let names = ["Labels", "ExternalLabels", "ExternalURL", "Value"];
        Shape::Struct(names.iter().filter_map(|n| self.field(n).map(|v| (*n, v))).collect())
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Labels" => Some(Value::labels(&self.labels)),
            "ExternalLabels" => Some(Value::labels(&self.external_labels)),
            "ExternalURL" => Some(Value::Str(self.external_url.clone())),
            "Value" => Some(self.value.clone()),
            _ => None,
        }
    }
}
