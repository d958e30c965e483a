//! Opsgenie: an alert is created under the group's key, perhaps updated, and closed.

use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::message::{Fields, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::{OpsgenieConfig, OpsgenieResponder};

/// Most characters of a message.
const LONGEST_MESSAGE: usize = 130;

impl OpsgenieConfig {
    fn request(&self, method: Method, path: &str, body: Json) -> Request {
        let base = self.api_url.as_ref().map_or("", |u| u.as_str());
        let key = vec![Part::plain("GenieKey "), Part::secret(&self.api_key, &self.api_key_file)];
        let mut request = Request::post(vec![Part::plain(format!("{base}{path}"))], body).header("Authorization", key);
        request.method = method;
        request
    }

    fn create(&self, with: &Rendering<'_>) -> Result<Vec<Request>, RenderError> {
        let message = truncate(&with.text(&self.message)?, LONGEST_MESSAGE);
        let description = with.text(&self.description)?;
        let alias = with.key_hash();
        let list = |text: String| -> Vec<String> {
            if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
        };
        // The common labels, and what the configuration adds to or changes of them.
        let mut details: Map<String, Json> =
            with.data.common_labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect();
        for (name, template) in &self.details {
            details.insert(name.clone(), json!(with.text(template)?));
        }
        let body = Fields::default()
            .always("alias", alias.clone())
            .always("message", message.clone())
            .some("description", description.clone())
            .some("details", details)
            .always("source", with.text(&self.source)?)
            .some("responders", self.responders(with)?)
            .some("tags", list(with.text(&self.tags)?))
            .some("note", with.text(&self.note)?)
            .some("priority", with.text(&self.priority)?)
            .some("entity", with.text(&self.entity)?)
            .some("actions", list(with.text(&self.actions)?))
            .json();
        let mut requests = vec![self.request(Method::POST, "v2/alerts", body)];
        if self.update_alerts {
            let path = |what: &str| format!("v2/alerts/{alias}/{what}?identifierType=alias");
            requests.push(self.request(Method::PUT, &path("message"), json!({"message": message})));
            requests.push(self.request(Method::PUT, &path("description"), json!({"description": description})));
        }
        Ok(requests)
    }

    /// Who is responsible; `teams` names several teams at once.
    fn responders(&self, with: &Rendering<'_>) -> Result<Vec<Json>, RenderError> {
        let mut responders = Vec::new();
        for OpsgenieResponder { id, name, username, kind } in &self.responders {
            let (id, name) = (with.text(id)?, with.text(name)?);
            let (username, kind) = (with.text(username)?, with.text(kind)?.to_lowercase());
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
        Ok(responders)
    }
}

impl Kind for OpsgenieConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        if with.is_firing() {
            return Ok(Message::Http(self.create(with)?));
        }
        let path = format!("v2/alerts/{}/close?identifierType=alias", with.key_hash());
        let body = json!({"source": with.text(&self.source)?});
        Ok(Message::one(self.request(Method::POST, &path, body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }
}
