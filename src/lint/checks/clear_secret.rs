//! Secrets in plain files.

use crate::config::yaml::Node;
use crate::lint::check::{Check, Severity};
use crate::lint::look::{Findings, Look, Row};
use crate::lint::routing::RoutingSite;

pub(super) const ROW: Row = Row {
    check: &Check {
        name: "routing/clear-secret",
        severity: Severity::Warning,
        pint: &[],
        what: "A plain configuration file holds a secret that could be read from a file.",
        why: "The configuration is in a repository, in backups and on screens, and so is the secret.",
        fix: "Put the secret into a file that only the service can read, and name that: `api_url_file`, `routing_key_file`, \
              `auth_password_file`.",
        bad: "route: {receiver: a}\nreceivers: [{name: a, pagerduty_configs: [{routing_key: 0123456789abcdef}]}]",
        good: "route: {receiver: a}\nreceivers: [{name: a, pagerduty_configs: [{routing_key_file: /run/secrets/pagerduty}]}]",
    },
    look: Look::Routing(look),
};

/// Keys that have a form with `_file`.
const KEYS: &[&str] = &[
    "alert_source_token",
    "api_key",
    "api_url",
    "auth_password",
    "auth_secret",
    "bot_token",
    "client_secret",
    "credentials",
    "mattermost_webhook_url",
    "opsgenie_api_key",
    "password",
    "routing_key",
    "service_key",
    "slack_api_url",
    "slack_app_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "token",
    "telegram_bot_token",
    "user_key",
    "victorops_api_key",
    "webhook_url",
    "wechat_api_secret",
    "api_secret",
];
/// What stands where a secret is put in later.
const PLACEHOLDERS: [&str; 8] = ["<", "$", "{{", "example", "xxx", "changeme", "secret>", "localhost"];

fn look(site: &RoutingSite<'_>, found: &mut Findings<'_>) {
    // An object that holds the configuration is where Kubernetes keeps secrets.
    if site.file.is_object {
        return;
    }
    for part in ["global", "receivers"] {
        if let Some(node) = site.root.get(part) {
            below(site, node, "", found);
        }
    }
}

fn below(site: &RoutingSite<'_>, node: &Node, kind: &str, found: &mut Findings<'_>) {
    for item in node.items().unwrap_or_default() {
        below(site, item, kind, found);
    }
    for (key, value) in node.entries().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        // Of addresses of this name only Slack's webhooks are secrets.
        let is_hook =
            |text: &str| !name.ends_with("api_url") || text.contains("/services/") || text.contains("/hooks/");
        let is_secret = KEYS.contains(&name) && (name != "api_url" || kind == "slack_configs");
        match value.text() {
            Some(text)
                if is_secret && is_hook(text) && !text.is_empty() && !PLACEHOLDERS.iter().any(|p| text.contains(p)) =>
            {
                found.add(site.spot(key, node), format!("{name} is a secret in clear text; there is {name}_file"));
            }
            Some(_) => {}
            None => below(site, value, if name.ends_with("_configs") { name } else { kind }, found),
        }
    }
}
