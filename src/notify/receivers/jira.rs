//! Jira: an issue for each group, found again by a label, updated, closed and opened again.

use futures::future::BoxFuture;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::fit::Limit;
use super::http::{Link, Reply, give_up};
use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::JiraConfig;
use crate::notify::Outcome;

const SUMMARY: Limit = Limit::chars(255);
const DESCRIPTION: Limit = Limit::chars(32_767);
const LABEL: Limit = Limit::chars(255);
const CLOUD: &str = "atlassian.net";

/// An issue that was found.
struct Issue {
    key: String,
    done: bool,
}

/// What an attempt works with: the fields of the issue, whether alerts fire, and where the issue is.
struct Plan<'m> {
    fields: &'m Map<String, Json>,
    firing: bool,
    label: &'m str,
    project: &'m str,
}

impl JiraConfig {
    fn base(&self) -> String {
        format!("{}/", self.api_url.as_ref().map_or("", |u| u.as_str()).trim_end_matches('/'))
    }

    fn is_cloud(&self) -> bool {
        match self.api_type.as_str() {
            "cloud" => true,
            "datacenter" => false,
            _ => {
                url::Url::parse(&self.base()).is_ok_and(|url| url.host_str().is_some_and(|host| host.ends_with(CLOUD)))
            }
        }
    }

    fn request(&self, method: Method, path: &str, body: Json) -> Request {
        let url = vec![Part::plain(format!("{}{path}", self.base()))];
        let mut request = Request::post(url, body).header("Accept-Language", vec![Part::plain("en")]);
        if method == Method::GET {
            request.body = Body::Empty;
        }
        request.method = method;
        request
    }

    /// The issue's fields.
    fn fields(&self, with: &Rendering<'_>) -> Result<Map<String, Json>, RenderError> {
        let mut labels = vec![format!("ALERT{{{}}}", with.key_hash())];
        for template in &self.labels {
            // Jira takes no spaces in labels.
            labels.push(with.line("labels", template, LABEL).split_whitespace().collect::<Vec<_>>().join("_"));
        }
        labels.retain(|label| !label.is_empty());
        labels.sort();
        let mut fields = Map::new();
        for (name, value) in &self.fields {
            fields.insert(name.clone(), with.deep(&format!("fields.{name}"), value));
        }
        fields.insert("project".into(), json!({"key": with.address("project", &self.project)?}));
        fields.insert("issuetype".into(), json!({"name": with.address("issue_type", &self.issue_type)?}));
        let summary = with.needed_title("summary", &self.summary.template, SUMMARY).replace(['\r', '\n'], " ");
        fields.insert("summary".into(), json!(summary));
        let priority = with.text("priority", &self.priority);
        let text = with.body("description", &self.description.template, DESCRIPTION);
        if !text.is_empty() {
            fields.insert("description".into(), self.description(&text));
        }
        fields.insert("labels".into(), json!(labels));
        if !priority.is_empty() {
            fields.insert("priority".into(), json!({"name": priority}));
        }
        Ok(fields)
    }

    /// Version 3 of the API, Jira Cloud's, takes documents; one that is none is made of paragraphs.
    fn description(&self, text: &str) -> Json {
        match (self.base().ends_with("/3/"), serde_json::from_str::<Json>(text)) {
            (true, Ok(document @ Json::Object(_))) => document,
            (true, _) => document(text),
            (false, _) => json!(text),
        }
    }

    /// Which issue is the group's: one that is not done, or, when alerts fire, one that was done recently enough to be
    /// opened again.
    fn query(&self, plan: &Plan<'_>) -> String {
        let mut jql = String::new();
        if !self.wont_fix_resolution.is_empty() {
            let resolution = json!(self.wont_fix_resolution);
            jql.push_str(&format!("(resolution is EMPTY or resolution != {resolution}) and "));
        }
        let minutes = self.reopen_duration.0 / 60_000;
        if plan.firing && !self.reopen_transition.is_empty() && minutes > 0 {
            jql.push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m) and "));
        } else {
            jql.push_str("statusCategory != Done and ");
        }
        let (project, label) = (json!(plan.project), json!(plan.label));
        jql.push_str(&format!("project={project} and labels={label} order by status ASC,resolutiondate DESC"));
        jql
    }

    /// The newest issue of the group.
    async fn find(&self, plan: &Plan<'_>, link: &Link<'_>) -> Result<Option<Issue>, Outcome> {
        let body = json!({"jql": self.query(plan), "fields": ["status"], "maxResults": 2});
        let reply = ok(link.call(&self.search(body)).await?)?;
        let found = reply.json().unwrap_or(Json::Null);
        Ok(found.pointer("/issues/0").and_then(|issue| {
            let key = issue.get("key")?.as_str()?.to_owned();
            let category = issue.pointer("/fields/status/statusCategory/key").and_then(Json::as_str);
            Some(Issue { key, done: category == Some("done") })
        }))
    }

    /// Jira Cloud searches in version 3 of the API only, whichever is configured.
    fn search(&self, body: Json) -> Request {
        if !self.is_cloud() {
            return self.request(Method::POST, "search", body);
        }
        let mut request = self.request(Method::POST, "search/jql", body);
        let url = format!("{}search/jql", self.base()).replacen("/rest/api/2/", "/rest/api/3/", 1);
        request.url = vec![Part::plain(url)];
        request
    }

    /// Moves an issue through the transition of this name.
    async fn transition(&self, key: &str, name: &str, link: &Link<'_>) -> Result<(), Outcome> {
        let path = format!("issue/{key}/transitions");
        let reply = ok(link.call(&self.request(Method::GET, &path, Json::Null)).await?)?;
        let known = reply.json().unwrap_or(Json::Null);
        let known = known.get("transitions").and_then(Json::as_array).cloned().unwrap_or_default();
        let id = known.iter().find(|t| t.get("name").and_then(Json::as_str) == Some(name)).and_then(|t| t.get("id"));
        let Some(id) = id else { return Err(give_up(format!("can't find transition {name} for issue {key}"))) };
        let body = json!({"transition": {"id": id}});
        ok(link.call(&self.request(Method::POST, &path, body)).await?).map(drop)
    }

    async fn carry_out(&self, plan: &Plan<'_>, link: &Link<'_>) -> Result<(), Outcome> {
        let existing = self.find(plan, link).await?;
        let Some(issue) = existing else {
            if !plan.firing {
                return Ok(());
            }
            let body = json!({"fields": plan.fields});
            return ok(link.call(&self.request(Method::POST, "issue", body)).await?).map(drop);
        };
        let mut fields = plan.fields.clone();
        for (name, field) in [("summary", &self.summary), ("description", &self.description)] {
            if !field.updates() {
                fields.remove(name);
            }
        }
        let path = format!("issue/{}", issue.key);
        ok(link.call(&self.request(Method::PUT, &path, json!({"fields": fields}))).await?)?;
        match plan.firing {
            true if issue.done && !self.reopen_transition.is_empty() => {
                self.transition(&issue.key, &self.reopen_transition, link).await
            }
            false if !issue.done && !self.resolve_transition.is_empty() => {
                self.transition(&issue.key, &self.resolve_transition, link).await
            }
            _ => Ok(()),
        }
    }
}

fn ok(reply: Reply) -> Result<Reply, Outcome> {
    match reply.judge(&[]) {
        Outcome::Delivered => Ok(reply),
        failed => Err(failed),
    }
}

/// Text as a document of the Atlassian format.
fn document(text: &str) -> Json {
    let paragraph = |p: &str| json!({"type": "paragraph", "content": [{"type": "text", "text": p}]});
    let content: Vec<Json> = text.split("\n\n").filter(|p| !p.trim().is_empty()).map(paragraph).collect();
    json!({"version": 1, "type": "doc", "content": content})
}

impl Kind for JiraConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let body = json!({"fields": self.fields(with)?});
        Ok(Message::one(self.request(Method::POST, "issue", body)))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            let Body::Json(body) = &request.body else { return give_up("nothing to send") };
            let Some(fields) = body.get("fields").and_then(Json::as_object) else {
                return give_up("an issue without fields");
            };
            let label = format!("ALERT{{{}}}", super::rendering::hash(link.group_key));
            let project = body.pointer("/fields/project/key").and_then(Json::as_str).unwrap_or("");
            let plan = Plan { fields, firing: link.firing, label: &label, project };
            match self.carry_out(&plan, link).await {
                Ok(()) => Outcome::Delivered,
                Err(failed) => failed,
            }
        })
    }
}
