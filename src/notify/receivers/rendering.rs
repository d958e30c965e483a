//! What rendering a notification needs: its data as templates see it, and the ways to apply a template.
//!
//! A template that fails costs its field, never the page: the field is what Watchbell says by itself ([`super::plain`]),
//! and the failure is told in the message, in the log, in a metric and in the API. Addresses are the exception: there is
//! nobody else to tell.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::fit::{Limit, Markup};
use super::message::Part;
use super::{fit, mrkdwn, plain};
use crate::config::secret::Secret;
use crate::model::{Labels, Reading};
use crate::notify::plots::Illustration;
use crate::notify::route_labels::RouteLabels;
use crate::notify::{Notification, NotifiedAlert, Reason};
use crate::template::alertmanager::{AlertData, Data, Marks, Templates};
use crate::template::{Host, TemplateError, Time, Value, escape};

/// What a receiver needs cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(String);

impl RenderError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        RenderError(text.into())
    }
}

/// A field whose template failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The field, as the configuration names it.
    pub field: String,
    /// What the template engine said.
    pub error: String,
}

/// One notification being rendered.
pub(super) struct Rendering<'a> {
    pub notification: &'a Notification,
    pub data: Data,
    /// The plot that goes with the message.
    pub plot: Option<Illustration>,
    templates: &'a Templates,
    plain: OnceCell<Value>,
    marked: OnceCell<Value>,
    marks: Marks,
    now: i64,
    problems: RefCell<Vec<Problem>>,
    cut: Cell<bool>,
}

/// What a template may ask.
struct Told<'a> {
    now: i64,
    templates: &'a Templates,
    route_labels: &'a Labels,
}

impl Host for Told<'_> {
    fn now(&self) -> i64 {
        self.now
    }

    fn route_label(&self, name: &str) -> Result<String, String> {
        Ok(self.route_labels.value(name).to_owned())
    }

    fn entered(&self, name: &Arc<str>) {
        self.templates.note_entered(name);
    }
}

/// Most failures that a message tells of.
const MOST_NOTES: usize = 3;
/// Most characters of one failure in a message.
const LONGEST_NOTE: usize = 200;

impl<'a> Rendering<'a> {
    pub fn new(
        notification: &'a Notification,
        templates: &'a Templates,
        routes: &RouteLabels,
        external_url: &str,
        now: i64,
    ) -> Self {
        let mut data = data_of(notification, &notification.alerts, external_url);
        // The route is that of the receiver it names, whoever stands in; it is found by the name as it is written.
        let told = std::mem::take(&mut data.receiver);
        let name = notification.instead_of.as_ref().unwrap_or(&notification.integration.receiver);
        data.receiver = name.to_string();
        let (route_labels, failed) = routes.render(&notification.group_key, &data, templates, now);
        (data.receiver, data.route_labels) = (told, route_labels);
        let failed = failed.into_iter().map(|(label, error)| Problem { field: format!("route label {label}"), error });
        let problems = RefCell::new(failed.collect());
        Rendering {
            notification,
            data,
            plot: None,
            templates,
            plain: OnceCell::new(),
            marked: OnceCell::new(),
            marks: Marks::Labels,
            now,
            problems,
            cut: Cell::default(),
        }
    }

    /// The same with other data, or other marks.
    fn with(&self, data: Data, marks: Marks) -> Rendering<'a> {
        Rendering {
            notification: self.notification,
            data,
            plot: self.plot.clone(),
            templates: self.templates,
            plain: OnceCell::new(),
            marked: OnceCell::new(),
            marks,
            now: self.now,
            problems: self.problems.clone(),
            cut: Cell::default(),
        }
    }

    /// The same with so many alerts only, firing ones first; what the group has in common stays.
    pub fn with_first(&self, kept: usize) -> Rendering<'a> {
        self.with(Data { alerts: first(&self.data.alerts, kept), ..self.data.without_alerts() }, self.marks)
    }

    /// The same where annotations are no markup either.
    pub fn without_markup_in_annotations(&self) -> Rendering<'a> {
        self.with(self.data.clone(), Marks::All)
    }

    fn plain(&self) -> &Value {
        self.plain.get_or_init(|| self.data.clone().into_value())
    }

    fn marked(&self) -> &Value {
        self.marked.get_or_init(|| self.data.clone().into_marked(self.marks))
    }

    fn told(&self) -> Told<'_> {
        Told { now: self.now, templates: self.templates, route_labels: &self.data.route_labels }
    }

    /// The data of the first alerts only, as receivers with a limit get it.
    pub fn data_of_first(&self, count: usize) -> Data {
        let alerts = self.notification.alerts.get(..count).unwrap_or(&self.notification.alerts);
        let route_labels = self.data.route_labels.clone();
        Data { route_labels, ..data_of(self.notification, alerts, &self.data.external_url) }
    }

    /// The fields whose templates failed so far.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// Whether a body was too long and says less than it would.
    pub fn was_cut(&self) -> bool {
        self.cut.get()
    }

    fn note(&self, field: &str, error: &TemplateError) {
        let problem = Problem { field: field.to_owned(), error: error.to_string() };
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// Something else is wrong with a field than its template.
    pub fn complain(&self, field: &str, error: &str) {
        self.problems.borrow_mut().push(Problem { field: field.to_owned(), error: error.to_owned() });
    }

    /// What a message says of failures: a line each.
    pub fn notes(&self) -> Vec<String> {
        let problems = self.problems.borrow();
        let line = |p: &Problem| fit::truncate(&format!("Template error in {}: {}", p.field, p.error), LONGEST_NOTE);
        let instead = self.notification.instead_of.as_ref();
        let instead = instead.map(|receiver| format!("This is for receiver {receiver}, which cannot be told."));
        let mut lines: Vec<String> = instead.into_iter().chain(problems.iter().take(MOST_NOTES).map(line)).collect();
        if let Some(more) = problems.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
            lines.push(format!("and {more} more template errors"));
        }
        lines
    }

    fn run(&self, template: &str, markup: Markup) -> Result<String, TemplateError> {
        let text = match (template.contains("{{"), markup.dialect()) {
            (false, _) => template.to_owned(),
            (true, Some(dialect)) => self.templates.markup(template, self.marked(), &self.told(), dialect)?,
            (true, None) if markup.is_html() => self.templates.html(template, self.plain(), &self.told())?,
            (true, None) => self.templates.text(template, self.plain(), &self.told())?,
        };
        Ok(if markup == Markup::Mrkdwn { mrkdwn::tame(&text) } else { text })
    }

    /// A field that a message can do without: empty when its template fails.
    pub fn text(&self, field: &str, template: &str) -> String {
        self.text_or(field, template, "")
    }

    /// A field with what stands in its place when its template fails.
    pub fn text_or(&self, field: &str, template: &str, default: &str) -> String {
        self.run(template, Markup::Plain).unwrap_or_else(|e| {
            self.note(field, &e);
            default.to_owned()
        })
    }

    /// A field without which nobody would be told.
    ///
    /// # Errors
    /// Its template failed.
    pub fn address(&self, field: &str, template: &str) -> Result<String, RenderError> {
        self.run(template, Markup::Plain).map_err(|e| {
            self.note(field, &e);
            RenderError::new(format!("{field}: {e}"))
        })
    }

    /// A secret of the configuration, which may be a template, or the file that it is in.
    ///
    /// # Errors
    /// Its template failed.
    pub fn secret(&self, field: &str, secret: &Secret, file: &str) -> Result<Part, RenderError> {
        if !secret.expose().contains("{{") {
            return Ok(Part::secret(secret, file));
        }
        // The template's own text may be a secret, and its error quotes it.
        let text = self.run(secret.expose(), Markup::Plain);
        let text = text.map_err(|_| RenderError::new(format!("the template of {field} failed")))?;
        Ok(Part::Secret(Secret::new(text), String::new()))
    }

    /// A text that a message can do without, cut to what it may hold.
    pub fn line(&self, field: &str, template: &str, limit: Limit) -> String {
        let text = self.run(template, limit.markup).unwrap_or_else(|e| {
            self.note(field, &e);
            String::new()
        });
        limit.cut(&text)
    }

    /// A line that says what it is about.
    pub fn title(&self, field: &str, template: &str, limit: Limit) -> String {
        let text = self.run(template, limit.markup).unwrap_or_else(|e| {
            self.note(field, &e);
            limit.markup.escape(&plain::title(&self.data))
        });
        limit.cut(&text)
    }

    /// A title without which the service refuses the message: Watchbell's own where the template gives nothing, as
    /// `.CommonAnnotations.summary` does where alerts' summaries differ.
    pub fn needed_title(&self, field: &str, template: &str, limit: Limit) -> String {
        self.something(self.title(field, template, limit), limit)
    }

    /// The same of a [text](Rendering::body).
    pub fn needed_body(&self, field: &str, template: &str, limit: Limit) -> String {
        self.something(self.body(field, template, limit), limit)
    }

    fn something(&self, text: String, limit: Limit) -> String {
        match text.trim().is_empty() {
            true => limit.cut(&limit.markup.escape(&plain::title(&self.data))),
            false => text,
        }
    }

    /// The text of a message, to be rendered after its other fields: it tells of what failed before. As many whole
    /// alerts as fit, and how many others there are.
    pub fn body(&self, field: &str, template: &str, limit: Limit) -> String {
        let text = match self.run(template, limit.markup) {
            Ok(text) => {
                let room = self.room(limit);
                if room.holds(&text) { text } else { self.fewer(template, &text, room) }
            }
            Err(e) if e.is_exhausted() => self.fewer(template, "", self.room(limit)),
            Err(e) => {
                self.note(field, &e);
                plain::listing(&self.data, &self.link(), self.room(limit))
            }
        };
        fit::append(&text, &self.notes_text(limit.markup), limit.markup)
    }

    /// What a limit leaves when the notes are taken off.
    fn room(&self, limit: Limit) -> Limit {
        limit.less(&self.notes_text(limit.markup))
    }

    fn notes_text(&self, markup: Markup) -> String {
        let lines: Vec<String> = self.notes().iter().map(|line| markup.escape(line)).collect();
        match lines.is_empty() {
            true => String::new(),
            false => markup.paragraph(&lines.join(markup.line_end())),
        }
    }

    /// The text with as many alerts as fit and a line about the others; `whole`, the text with all of them, is too long,
    /// or could not be made.
    fn fewer(&self, template: &str, whole: &str, limit: Limit) -> String {
        self.cut.set(true);
        let all = self.data.alerts.len();
        let link = self.link();
        let render = |kept: usize| {
            let text = self.with_first(kept).run(template, limit.markup).ok()?;
            let tail = limit.markup.more(all.saturating_sub(kept), &link);
            Some(fit::append(&text, &tail, limit.markup)).filter(|text| limit.holds(text))
        };
        let guess = match limit.measure(whole) {
            0 => all / 8,
            size => all.saturating_mul(limit.most) / size,
        };
        if let Some((_, text)) = fit::most_that_fits(all, guess, render) {
            return text;
        }
        // One alert alone is too long, or the text is not made of alerts.
        let one = self.with_first(1).run(template, limit.markup);
        let text = if whole.is_empty() { one.unwrap_or_default() } else { one.unwrap_or_else(|_| whole.to_owned()) };
        let tail = limit.markup.more(all.saturating_sub(1), &link);
        fit::append(&limit.less(&tail).cut(&text), &tail, limit.markup)
    }

    /// Where all alerts of the receiver are shown.
    pub fn link(&self) -> String {
        format!("{}/#/alerts?receiver={}", self.data.external_url, escape::query(&self.data.receiver))
    }

    /// Where it is told why this notification was sent.
    pub fn explanation(&self) -> String {
        format!("{}/notification/{}", self.data.external_url, self.notification.id)
    }

    /// Where the plot that goes with the message is served.
    pub fn plot_link(&self) -> Option<String> {
        self.plot.as_ref().map(|plot| format!("{}{}", self.data.external_url, plot.path))
    }

    /// A structure with templates in its texts. A text that comes out as something else than a text in YAML becomes
    /// that: `{{ len .Alerts }}` a number, `{{ toJson .Alerts }}` a list. What is inside it is taken as it is.
    pub fn deep(&self, field: &str, value: &Json) -> Json {
        match value {
            Json::String(template) => match self.run(template, Markup::Plain) {
                Ok(text) => reread(text),
                Err(e) if e.is_exhausted() => self.fewer_deep(template),
                Err(e) => {
                    self.note(field, &e);
                    Json::String(plain::title(&self.data))
                }
            },
            Json::Array(items) => Json::Array(items.iter().map(|i| self.deep(field, i)).collect()),
            Json::Object(fields) => {
                let inner =
                    |(k, v): (&String, &Json)| (self.text_or(field, k, k), self.deep(&format!("{field}.{k}"), v));
                Json::Object(fields.iter().map(inner).collect())
            }
            other => other.clone(),
        }
    }

    /// What a template makes of as many alerts as it can do with.
    fn fewer_deep(&self, template: &str) -> Json {
        self.cut.set(true);
        let all = self.data.alerts.len();
        let render = |kept: usize| self.with_first(kept).run(template, Markup::Plain).ok();
        let rendered = fit::most_that_fits(all, all / 4, render);
        rendered.map_or_else(|| Json::String(plain::title(&self.data)), |(_, text)| reread(text))
    }

    pub fn is_firing(&self) -> bool {
        !self.notification.is_resolved()
    }

    /// The group's key as receivers take it: its SHA-256 in hexadecimal digits.
    pub fn key_hash(&self) -> String {
        hash(&self.notification.group_key)
    }
}

/// So many alerts, in their order: resolved ones go first.
fn first(alerts: &[AlertData], kept: usize) -> Vec<AlertData> {
    let firing = alerts.iter().filter(|a| a.is_firing()).count();
    let (mut of_firing, mut of_resolved) = (kept.min(firing), kept.saturating_sub(firing));
    let mut chosen = Vec::with_capacity(kept.min(alerts.len()));
    for alert in alerts {
        let left = if alert.is_firing() { &mut of_firing } else { &mut of_resolved };
        if *left > 0 {
            *left -= 1;
            chosen.push(alert.clone());
        }
    }
    chosen
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Rendered text as YAML reads it, unless it reads as text. Texts inside stay as they are: they are not read again.
fn reread(text: String) -> Json {
    match serde_yaml::from_str::<Json>(&text) {
        Ok(Json::String(_)) | Err(_) => Json::String(text),
        Ok(other) => other,
    }
}

fn data_of(notification: &Notification, alerts: &[NotifiedAlert], external_url: &str) -> Data {
    let resolved = alerts.iter().all(NotifiedAlert::is_resolved);
    Data {
        receiver: quote_meta(&notification.integration.receiver),
        status: status(resolved).into(),
        alerts: alerts.iter().map(alert_data).collect(),
        notification_reason: reason_text(notification.reason).into(),
        group_labels: notification.group_labels.clone(),
        common_labels: common(alerts.iter().map(|a| &a.labels)),
        common_annotations: common(alerts.iter().map(|a| &a.annotations)),
        route_labels: Labels::empty(),
        external_url: external_url.to_owned(),
    }
}

/// A receiver's name as Alertmanager's templates, links and webhooks have it: what is special in a regular expression is
/// quoted.
fn quote_meta(name: &str) -> String {
    let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

/// Alertmanager's words.
fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::FirstNotification => "first notification",
        Reason::NewAlertsInGroup => "new alerts added",
        Reason::NewResolvedAlerts => "some alerts resolved",
        Reason::AllAlertsResolved => "all alerts resolved",
        Reason::RepeatIntervalElapsed => "repeat interval elapsed",
    }
}

fn alert_data(alert: &NotifiedAlert) -> AlertData {
    AlertData {
        status: status(alert.is_resolved()).into(),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: Time::from_millis(alert.starts_at),
        ends_at: alert.ends_at.map_or_else(Time::zero, Time::from_millis),
        generator_url: alert.generator_url.clone(),
        fingerprint: format!("{:016x}", alert.labels.fingerprint()),
        value: alert.value.map(Reading::get),
        resolved_value: alert.resolved_value.map(Reading::get),
    }
}

/// What all sets have in common. As in Alertmanager a set that lacks what is empty in the first agrees with it.
pub fn common<'l>(mut sets: impl Iterator<Item = &'l Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::empty() };
    sets.fold(first.clone(), |shared, set| shared.filter(|name| set.value(name) == shared.value(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_prometheus() {
        let labels = [("alertname", "High <CPU> & \"more\""), ("instance", "a"), ("severity", "critical")];
        assert_eq!(format!("{:016x}", Labels::from_pairs(labels).fingerprint()), "c76ccb41742ff8e9");
        assert_eq!(
            hash("{}:{alertname=\"High <CPU> & \\\"more\\\"\"}"),
            "ce97082134292f0050ff2042fdbfaf4465a43a2a38d60cc9cf5366c3a263aace"
        );
    }

    #[test]
    fn names_of_receivers_are_quoted_as_in_alertmanager() {
        assert_eq!(quote_meta("team-x/pager_1"), "team-x/pager_1");
        assert_eq!(quote_meta("a.b (c)"), r"a\.b \(c\)");
    }

    #[test]
    fn rendered_text_becomes_what_it_reads_as_and_texts_inside_stay() {
        for (text, want) in [
            ("2", serde_json::json!(2)),
            ("true", serde_json::json!(true)),
            ("", Json::Null),
            ("plain text", serde_json::json!("plain text")),
            ("{\"a\": [\"1\", \"x y\", \"\"]}", serde_json::json!({"a": ["1", "x y", ""]})),
            ("{\"id\": \"v1:\", \"num\": \"123\"}", serde_json::json!({"id": "v1:", "num": "123"})),
            ("a: b: c", serde_json::json!("a: b: c")),
        ] {
            assert_eq!(reread(text.to_owned()), want, "{text:?}");
        }
    }
}
