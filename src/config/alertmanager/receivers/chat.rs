//! Discord, Pushover and Webex.

use super::{MessagePlot, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::{HttpUrl, SecretUrl};
use crate::config::yaml::{Decode, Decoder, MapReader, Node, parse_go_duration};
use crate::section;

section! {
    /// A Discord webhook.
    pub struct DiscordConfig as "discord config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The webhook.
        webhook_url: Option<SecretUrl>,
        /// File with that.
        webhook_url_file: String,
        /// Text before the message.
        content: String,
        /// Title.
        title: String = "{{ template \"discord.default.title\" . }}".into(),
        /// Text.
        message: String = "{{ template \"discord.default.message\" . }}".into(),
        /// Who writes.
        username: String,
        /// Picture of who writes.
        avatar_url: String,
        /// A plot of what the rule measured, in the message: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
    }
}

integration!(DiscordConfig as "discord", paths: [webhook_url_file], plot: plot);

impl DiscordConfig {
    fn check(&mut self, m: &MapReader) {
        check_webhook(m);
    }
}

/// Exactly one of `webhook_url` and `webhook_url_file`.
pub(super) fn check_webhook(m: &MapReader) {
    m.at_most_one("webhook_url", "webhook_url_file");
    if !m.has("webhook_url") && !m.is_set("webhook_url_file") {
        m.error("webhook_url", "one of webhook_url or webhook_url_file must be configured");
    }
}

section! {
    /// Pushover.
    pub struct PushoverConfig as "pushover config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// Whom to tell.
        user_key: Secret,
        /// File with that.
        user_key_file: String,
        /// The application.
        token: Secret,
        /// File with that.
        token_file: String,
        /// Title.
        title: String = "{{ template \"pushover.default.title\" . }}".into(),
        /// Text.
        message: String = "{{ template \"pushover.default.message\" . }}".into(),
        /// A link.
        url: String = "{{ template \"pushover.default.url\" . }}".into(),
        /// The link's text.
        url_title: String,
        /// Which of the user's devices.
        device: String,
        /// Which sound.
        sound: String,
        /// -2 to 2.
        priority: String = "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}".into(),
        /// How often an emergency is repeated.
        retry: PushoverDuration = PushoverDuration(60_000),
        /// For how long an emergency is repeated.
        expire: PushoverDuration = PushoverDuration(3_600_000),
        /// For how long the message is kept.
        ttl: PushoverDuration,
        /// The text is HTML.
        html: bool,
        /// The text is shown in a monospace font.
        monospace: bool,
    }
}

/// A duration in Go's notation, milliseconds; unlike elsewhere a bare number is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushoverDuration(pub i64);

impl Decode for PushoverDuration {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text().and_then(parse_go_duration) {
            Some(ms) => Some(PushoverDuration(ms)),
            None => d.mismatch(node, "a duration such as 1m30s"),
        }
    }
}

integration!(PushoverConfig as "pushover", paths: [user_key_file, token_file]);

impl PushoverConfig {
    fn check(&mut self, m: &MapReader) {
        for (one, file) in [("user_key", "user_key_file"), ("token", "token_file")] {
            m.at_most_one(one, file);
            if !m.is_set(one) && !m.is_set(file) {
                m.error(one, format!("one of {one} or {file} must be configured"));
            }
        }
        if self.html && self.monospace {
            m.error("monospace", "at most one of monospace & html must be configured");
        }
    }
}

section! {
    /// Webex.
    pub struct WebexConfig as "webex config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client, with the bot's authorization.
        http_config: Option<HttpClientConfig>,
        /// The API.
        api_url: Option<HttpUrl>,
        /// Text.
        message: String = "{{ template \"webex.default.message\" . }}".into(),
        /// Where to write.
        room_id: String,
    }
}

integration!(WebexConfig as "webex", fill: fill_api);

impl WebexConfig {
    fn check(&mut self, m: &MapReader) {
        if self.room_id.is_empty() {
            m.error("room_id", "missing room_id on webex_config");
        }
        if self.http_config.as_ref().is_none_or(|c| c.authorization.is_none()) {
            m.error("http_config", "missing webex_configs.http_config.authorization");
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        self.api_url.get_or_insert_with(|| global.webex_api_url.clone());
        Ok(())
    }
}
