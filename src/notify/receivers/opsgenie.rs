//! Opsgenie: an alert is created under the group's key, perhaps updated, and closed.

use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::fit::Limit;
use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{OpsgenieConfig, OpsgenieResponder};

const MESSAGE: Limit = Limit::chars(130);
const DESCRIPTION: Limit = Limit::chars(15_000);
const NOTE: Limit = Limit::chars(25_000);
const SOURCE: Limit = Limit::chars(100);
const ENTITY: Limit = Limit::chars(512);
/// Of a tag, and of an action.
const ITEM: Limit = Limit::chars(50);
const MOST_TAGS: usize = 20;
const MOST_ACTIONS: usize = 10;
/// Characters of all details together.
const MOST_DETAILS: usize = 8_000;

impl OpsgenieConfig {
    fn request(&self, key: &Part, method: Method, path: &str, body: Json) -> Request {
        let base = self.api_url.as_ref().map_or("", |u| u.as_str());
        let key = vec![Part::plain("GenieKey "), key.clone()];
        let mut request = Request::post(vec![Part::plain(format!("{base}{path}"))], body).header("Authorization", key);
        request.method = method;
        request
    }

    fn create(&self, key: &Part, with: &Rendering<'_>) -> Vec<Request> {
        let message = with.needed_title("message", &self.message, MESSAGE);
        let alias = with.key_hash();
        let (details, responders) = (self.details(with), self.responders(with));
        let source = with.line("source", &self.source, SOURCE);
        let mut tags = list(&with.text("tags", &self.tags), MOST_TAGS);
        tags.retain(|tag| !tag.is_empty());
        let note = with.line("note", &self.note, NOTE);
        let priority = self.priority(with);
        let entity = with.line("entity", &self.entity, ENTITY);
        let actions = list(&with.text("actions", &self.actions), MOST_ACTIONS);
        let description = with.body("description", &self.description, DESCRIPTION);
        let body = Fields::default()
            .always("alias", alias.clone())
            .always("message", message.clone())
            .some("description", description.clone())
            .some("details", details)
            .always("source", source)
            .some("responders", responders)
            .some("tags", tags)
            .some("note", note)
            .some("priority", priority)
            .some("entity", entity)
            .some("actions", actions)
            .json();
        let mut requests = vec![self.request(key, Method::POST, "v2/alerts", body)];
        if self.update_alerts {
            let path = |what: &str| format!("v2/alerts/{alias}/{what}?identifierType=alias");
            requests.push(self.request(key, Method::PUT, &path("message"), json!({"message": message})));
            requests.push(self.request(key, Method::PUT, &path("description"), json!({"description": description})));
        }
        requests
    }

    /// The common labels, and what the configuration adds to or changes of them; as many as Opsgenie takes, those of the
    /// configuration first.
    fn details(&self, with: &Rendering<'_>) -> Map<String, Json> {
        let mut details: Map<String, Json> =
            with.data.common_labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect();
        for (name, template) in &self.details {
            details.insert(name.clone(), json!(with.text(&format!("details.{name}"), template)));
        }
        let size = |name: &str, value: &Json| name.chars().count() + value.as_str().map_or(0, |v| v.chars().count());
        let mut order: Vec<String> = self.details.keys().cloned().collect();
        order.extend(details.keys().filter(|name| !self.details.contains_key(*name)).cloned());
        let mut left = MOST_DETAILS;
        for name in order {
            let needed = details.get(&name).map_or(0, |value| size(&name, value));
            match left.checked_sub(needed) {
                Some(rest) => left = rest,
                None => drop(details.remove(&name)),
            }
        }
        details
    }

    /// `P1` to `P5`, or nothing: what is neither would be refused.
    fn priority(&self, with: &Rendering<'_>) -> String {
        let priority = with.text("priority", &self.priority);
        if ["P1", "P2", "P3", "P4", "P5"].contains(&priority.trim()) {
            priority.trim().to_owned()
        } else {
            String::new()
        }
    }

    /// Who is responsible; `teams` names several teams at once.
    fn responders(&self, with: &Rendering<'_>) -> Vec<Json> {
        let mut responders = Vec::new();
        for OpsgenieResponder { id, name, username, kind } in &self.responders {
            let (id, name) = (with.text("responders.id", id), with.text("responders.name", name));
            let username = with.text("responders.username", username);
            let kind = with.text("responders.type", kind).to_lowercase();
            if id.is_empty() && name.is_empty() && username.is_empty() {
                continue;
            }
            if kind == "teams" {
                responders.extend(name.split(',').map(|team| json!({"name": team, "type": "team"})));
                continue;
            }
            let responder = Fields::default().some("id", id).some("name", name).some("username", username);
            responders.push(responder.always("type", kind).json());
        }
        responders
    }
}

/// A list separated by commas, as many and as long as Opsgenie takes.
fn list(text: &str, most: usize) -> Vec<String> {
    let items = text.split(',').take(most).map(|item| ITEM.cut(item));
    if text.is_empty() { Vec::new() } else { items.collect() }
}

impl Kind for OpsgenieConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let key = &with.secret("api_key", &self.api_key, &self.api_key_file)?;
        if with.is_firing() {
            return Ok(Message::Http(self.create(key, with)));
        }
        let path = format!("v2/alerts/{}/close?identifierType=alias", with.key_hash());
        let body = json!({"source": with.line("source", &self.source, SOURCE)});
        Ok(Message::one(self.request(key, Method::POST, &path, body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
