//! Jira.

use std::collections::BTreeMap;

use super::integration;
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::url::HttpUrl;
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node, Shape};
use crate::section;

section! {
    /// Issues in Jira.
    pub struct JiraConfig as "jira config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The API.
        api_url: Option<HttpUrl>,
        /// `auto`, `cloud` or `datacenter`.
        api_type: String = "auto".into(),
        /// Which project.
        project: String,
        /// Title.
        summary: JiraField = JiraField::template("{{ template \"jira.default.summary\" . }}"),
        /// Text.
        description: JiraField = JiraField::template("{{ template \"jira.default.description\" . }}"),
        /// Labels of the issue.
        labels: Vec<String>,
        /// Priority.
        priority: String = "{{ template \"jira.default.priority\" . }}".into(),
        /// Kind of issue.
        issue_type: String,
        /// The transition that opens an issue again.
        reopen_transition: String,
        /// The transition that closes an issue.
        resolve_transition: String,
        /// Issues with this resolution are never opened again.
        wont_fix_resolution: String,
        /// For how long a closed issue is opened again rather than a new one made.
        reopen_duration: Duration,
        /// More fields.
        fields: BTreeMap<String, serde_json::Value>,
    }
}

/// A template, and whether it is rendered again on updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JiraField {
    /// The template.
    pub template: String,
    /// Whether updates render it again; `None` is yes.
    pub enable_update: Option<bool>,
}

impl JiraField {
    fn template(template: &str) -> Self {
        JiraField { template: template.into(), enable_update: None }
    }

    /// Whether updates render it again.
    pub fn updates(&self) -> bool {
        self.enable_update.unwrap_or(true)
    }
}

/// A text, or a mapping with `template` and `enable_update`.
impl Decode for JiraField {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        if let Some(text) = node.text() {
            return Some(JiraField::template(text));
        }
        let m = d.mapping(node, "jira field")?;
        let field =
            JiraField { template: m.get("template").unwrap_or_default(), enable_update: m.get("enable_update") };
        m.finish();
        Some(field)
    }

    fn shape() -> Shape {
        Shape::Value("a template, or a mapping with `template` and `enable_update`".into())
    }
}

integration!(JiraConfig as "jira", fill: fill_api);

impl JiraConfig {
    fn check(&mut self, m: &MapReader) {
        if self.project.is_empty() {
            m.error("project", "missing project in jira_config");
        }
        if self.issue_type.is_empty() {
            m.error("issue_type", "missing issue_type in jira_config");
        }
        if !["auto", "cloud", "datacenter"].contains(&self.api_type.as_str()) {
            m.error("api_type", "unknown api_type on jira_config, must be auto, cloud or datacenter");
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        // A mapping without a template keeps the default's.
        let default = JiraConfig::default();
        for (own, default) in [(&mut self.summary, default.summary), (&mut self.description, default.description)] {
            if own.enable_update.is_some() && own.template.is_empty() {
                own.template = default.template;
            }
        }
        self.api_url = self.api_url.take().or_else(|| global.jira_api_url.clone());
        self.api_url.is_some().then_some(()).ok_or_else(|| "no global Jira Cloud URL set".into())
    }
}
