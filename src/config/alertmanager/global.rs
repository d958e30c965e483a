//! The `global` section: what receivers take when they do not say themselves.

use std::fmt;

use crate::config::http::{HttpClientConfig, TlsConfig};
use crate::config::secret::Secret;
use crate::config::url::{HttpUrl, SecretUrl};
use crate::config::yaml::{Decode, Decoder, Duration, MapReader, Node, shown_text};
use crate::section;

section! {
    /// Defaults of all receivers.
    pub struct Global as "global config" with check {
        /// After how long a received alert that nobody updates resolves.
        resolve_timeout: Duration = Duration::seconds(300),
        /// The HTTP client.
        http_config: HttpClientConfig,
        /// Who mail is from.
        smtp_from: String,
        /// How the mail client introduces itself.
        smtp_hello: String = "localhost".into(),
        /// The mail server.
        smtp_smarthost: HostPort,
        /// User of the mail server.
        smtp_auth_username: String,
        /// Password of the mail server.
        smtp_auth_password: Secret,
        /// File with that.
        smtp_auth_password_file: String,
        /// Secret of CRAM-MD5.
        smtp_auth_secret: Secret,
        /// File with that.
        smtp_auth_secret_file: String,
        /// Identity of PLAIN.
        smtp_auth_identity: String,
        /// STARTTLS is a must.
        smtp_require_tls: bool = true,
        /// TLS towards the mail server.
        smtp_tls_config: Option<TlsConfig>,
        /// TLS from the first byte on; by default exactly on port 465.
        smtp_force_implicit_tls: Option<bool>,
        /// Slack's incoming webhook.
        slack_api_url: Option<SecretUrl>,
        /// File with that.
        slack_api_url_file: String,
        /// Slack's bot token.
        slack_app_token: Secret,
        /// File with that.
        slack_app_token_file: String,
        /// Where messages with a bot token go.
        slack_app_url: HttpUrl = HttpUrl::constant("https://slack.com/api/chat.postMessage"),
        /// PagerDuty's events API.
        pagerduty_url: HttpUrl = HttpUrl::constant("https://events.pagerduty.com/v2/enqueue"),
        /// Opsgenie's API.
        opsgenie_api_url: HttpUrl = HttpUrl::constant("https://api.opsgenie.com/"),
        /// Opsgenie's key.
        opsgenie_api_key: Secret,
        /// File with that.
        opsgenie_api_key_file: String,
        /// WeChat's API.
        wechat_api_url: HttpUrl = HttpUrl::constant("https://qyapi.weixin.qq.com/cgi-bin/"),
        /// WeChat's secret.
        wechat_api_secret: Secret,
        /// File with that.
        wechat_api_secret_file: String,
        /// WeChat's corporation.
        wechat_api_corp_id: String,
        /// VictorOps' API.
        victorops_api_url: HttpUrl = HttpUrl::constant("https://alert.victorops.com/integrations/generic/20131114/alert/"),
        /// VictorOps' key.
        victorops_api_key: Secret,
        /// File with that.
        victorops_api_key_file: String,
        /// Telegram's API.
        telegram_api_url: HttpUrl = HttpUrl::constant("https://api.telegram.org"),
        /// Telegram's bot token.
        telegram_bot_token: Secret,
        /// File with that.
        telegram_bot_token_file: String,
        /// Webex' API.
        webex_api_url: HttpUrl = HttpUrl::constant("https://webexapis.com/v1/messages"),
        /// Rocket.Chat's API.
        rocketchat_api_url: HttpUrl = HttpUrl::constant("https://open.rocket.chat/"),
        /// Rocket.Chat's token.
        rocketchat_token: Secret,
        /// File with that.
        rocketchat_token_file: String,
        /// Rocket.Chat's user.
        rocketchat_token_id: Secret,
        /// File with that.
        rocketchat_token_id_file: String,
        /// Jira's API.
        jira_api_url: Option<HttpUrl>,
        /// Mattermost's incoming webhook.
        mattermost_webhook_url: Option<SecretUrl>,
        /// File with that.
        mattermost_webhook_url_file: String,
    }
}

/// Pairs of an inline secret and its file.
const PAIRS: [(&str, &str); 11] = [
    ("smtp_auth_password", "smtp_auth_password_file"),
    ("smtp_auth_secret", "smtp_auth_secret_file"),
    ("slack_api_url", "slack_api_url_file"),
    ("slack_app_token", "slack_app_token_file"),
    ("opsgenie_api_key", "opsgenie_api_key_file"),
    ("wechat_api_secret", "wechat_api_secret_file"),
    ("victorops_api_key", "victorops_api_key_file"),
    ("telegram_bot_token", "telegram_bot_token_file"),
    ("rocketchat_token", "rocketchat_token_file"),
    ("rocketchat_token_id", "rocketchat_token_id_file"),
    ("mattermost_webhook_url", "mattermost_webhook_url_file"),
];

impl Global {
    fn check(&mut self, m: &MapReader) {
        PAIRS.iter().for_each(|(one, other)| m.at_most_one(one, other));
        let token = m.is_set("slack_app_token") || m.is_set("slack_app_token_file");
        let url = m.is_set("slack_api_url") || m.is_set("slack_api_url_file");
        // The old way to use a bot token was to give the API's URL as the webhook.
        let same = self.slack_api_url.as_ref().is_some_and(|u| u.expose() == self.slack_app_url.as_str());
        if token && url && !same {
            m.error(
                "slack_api_url",
                "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured",
            );
        }
        for prefix in [
            &mut self.opsgenie_api_url,
            &mut self.wechat_api_url,
            &mut self.victorops_api_url,
            &mut self.rocketchat_api_url,
        ] {
            *prefix = prefix.with_trailing_slash();
        }
    }
}

/// A host and a port; both empty when unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPort {
    /// The host.
    pub host: String,
    /// The port: a number or a service's name.
    pub port: String,
}

impl HostPort {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.host.is_empty() && self.port.is_empty()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            _ if self.is_empty() => Ok(()),
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Decode for HostPort {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let Some(text) = node.text() else { return d.mismatch(node, "host:port") };
        if text.is_empty() {
            return Some(HostPort::default());
        }
        let fail = |message: String| {
            d.error(node.position, message);
            None
        };
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
        let Some((host, port)) = bracketed.or_else(|| text.rsplit_once(':')) else {
            return fail(format!("address {text}: missing port in address"));
        };
        if bracketed.is_none() && host.contains(':') {
            return fail(format!("address {text}: too many colons in address"));
        }
        if port.is_empty() {
            return fail(format!("address {text:?}: port cannot be empty"));
        }
        Some(HostPort { host: host.to_owned(), port: port.to_owned() })
    }

    fn shown_default(&self) -> Option<Node> {
        shown_text(&self.to_string())
    }
}
