//! Slack.

use super::{MessagePlot, integration};
use crate::config::alertmanager::Global;
use crate::config::http::{Authorization, HttpClientConfig};
use crate::config::secret::Secret;
use crate::config::url::{HttpUrl, SecretUrl};
use crate::config::yaml::{GoDuration, MapReader};
use crate::section;

section! {
    /// Messages in Slack, by incoming webhook or bot token.
    pub struct SlackConfig as "slack config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The incoming webhook.
        api_url: Option<SecretUrl>,
        /// File with that.
        api_url_file: String,
        /// The bot token.
        app_token: Secret,
        /// File with that.
        app_token_file: String,
        /// Where messages with a bot token go.
        app_url: Option<HttpUrl>,
        /// Where to write.
        channel: String,
        /// Who writes.
        username: String = "{{ template \"slack.default.username\" . }}".into(),
        /// Colour of the bar.
        color: String = "{{ template \"slack.default.color\" . }}".into(),
        /// Title.
        title: String = "{{ template \"slack.default.title\" . }}".into(),
        /// The title's link.
        title_link: String = "{{ template \"slack.default.titlelink\" . }}".into(),
        /// Text above the attachment.
        pretext: String = "{{ template \"slack.default.pretext\" . }}".into(),
        /// Text.
        text: String = "{{ template \"slack.default.text\" . }}".into(),
        /// Text of the message itself.
        message_text: String,
        /// Fields.
        fields: Vec<SlackField>,
        /// Show fields side by side.
        short_fields: bool,
        /// Text below.
        footer: String = "{{ template \"slack.default.footer\" . }}".into(),
        /// Text for clients that show no attachments.
        fallback: String = "{{ template \"slack.default.fallback\" . }}".into(),
        /// Identifies the buttons.
        callback_id: String = "{{ template \"slack.default.callbackid\" . }}".into(),
        /// Emoji of who writes.
        icon_emoji: String = "{{ template \"slack.default.iconemoji\" . }}".into(),
        /// Picture of who writes.
        icon_url: String = "{{ template \"slack.default.iconurl\" . }}".into(),
        /// A picture.
        image_url: String,
        /// A small picture.
        thumb_url: String,
        /// Make links of names.
        link_names: bool,
        /// Which texts hold markup.
        mrkdwn_in: Vec<String>,
        /// Buttons.
        actions: Vec<SlackAction>,
        /// Change the first message of a group instead of writing another.
        update_message: bool,
        /// Answer to the first message of a group in its thread instead of writing another beside it. Ours.
        thread: bool,
        /// A plot of what the rule measured, in the message's thread: `true` for the last 3h, or how much time. With an app
        /// token that may write files. Ours.
        plot: MessagePlot,
        /// How long one request may take, 0 for no limit.
        timeout: GoDuration,
    }
}

section! {
    /// A titled value.
    pub struct SlackField as "slack field" with check {
        /// Title.
        title: String,
        /// Value.
        value: String,
        /// Beside others.
        short: Option<bool>,
    }
}

section! {
    /// A button.
    pub struct SlackAction as "slack action" with check {
        /// Kind.
        kind as "type": String,
        /// Text.
        text: String,
        /// Where it leads.
        url: String,
        /// Colour.
        style: String,
        /// Its name, for buttons that lead nowhere.
        name: String,
        /// Its value.
        value: String,
        /// Question before it acts.
        confirm: Option<SlackConfirmation>,
    }
}

section! {
    /// A question before a button acts.
    pub struct SlackConfirmation as "slack confirmation" with check {
        /// Text.
        text: String,
        /// Title.
        title: String,
        /// The button for yes.
        ok_text: String,
        /// The button for no.
        dismiss_text: String,
    }
}

integration!(SlackConfig as "slack", paths: [api_url_file, app_token_file], fill: fill_api, plot: plot);

/// Where a bot posts: the only endpoint whose messages can be changed later.
const POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";

impl SlackConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("api_url", "api_url_file");
        m.at_most_one("app_token", "app_token_file");
        if self.has_url() && self.has_token() {
            m.error("app_token", "at most one of api_url/api_url_file & app_token/app_token_file must be configured");
        }
        if self.has_token() && self.own_authorization().is_some() {
            m.error("http_config", "http authorization can't be set when using Slack App tokens");
        }
        if self.update_message && self.api_url.as_ref().map(SecretUrl::expose) != Some(POST_MESSAGE) {
            let message =
                format!("update_message can only be used with bot tokens. api_url must be set to {POST_MESSAGE}");
            m.error("update_message", message);
        }
    }

    /// Only what the API posted can be answered to: a webhook does not say where its message is.
    fn check_thread(&self) -> Result<(), String> {
        let posts = self.has_token() || self.api_url.as_ref().map(SecretUrl::expose) == Some(POST_MESSAGE);
        match self.thread && !posts && self.api_url_file.is_empty() {
            true => {
                Err(format!("thread can only be used with bot tokens: set app_token, or api_url to {POST_MESSAGE}"))
            }
            false => Ok(()),
        }
    }

    /// A webhook takes no files.
    fn check_plot(&self) -> Result<(), String> {
        match self.plot.is_on() && !self.has_token() {
            true => Err("plot can only be used with an app token: set app_token".into()),
            false => Ok(()),
        }
    }

    fn has_url(&self) -> bool {
        self.api_url.is_some() || !self.api_url_file.is_empty()
    }

    fn has_token(&self) -> bool {
        !self.app_token.is_empty() || !self.app_token_file.is_empty()
    }

    fn own_authorization(&self) -> Option<&Authorization> {
        self.http_config.as_ref().and_then(|c| c.authorization.as_ref())
    }

    /// A global bot token counts only for who brings neither a webhook nor an authorization.
    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        self.app_url.get_or_insert_with(|| global.slack_app_url.clone());
        if !self.has_url() && !self.has_token() && self.own_authorization().is_none() {
            self.app_token.clone_from(&global.slack_app_token);
            self.app_token_file.clone_from(&global.slack_app_token_file);
        }
        if !self.has_url() && !self.has_token() {
            self.api_url.clone_from(&global.slack_api_url);
            self.api_url_file.clone_from(&global.slack_api_url_file);
        }
        match self.has_url() || self.has_token() {
            true => self.check_thread().and_then(|()| self.check_plot()),
            false => Err("no Slack API URL nor App token set either inline or in a file".into()),
        }
    }
}

impl SlackField {
    fn check(&mut self, m: &MapReader) {
        for (key, value) in [("title", &self.title), ("value", &self.value)] {
            if value.is_empty() {
                m.error(key, format!("missing {key} in Slack field configuration"));
            }
        }
    }
}

impl SlackAction {
    fn check(&mut self, m: &MapReader) {
        for (key, value) in [("type", &self.kind), ("text", &self.text)] {
            if value.is_empty() {
                m.error(key, format!("missing {key} in Slack action configuration"));
            }
        }
        if self.url.is_empty() && self.name.is_empty() {
            m.error("url", "missing name or url in Slack action configuration");
        }
    }
}

impl SlackConfirmation {
    fn check(&mut self, m: &MapReader) {
        if self.text.is_empty() {
            m.error("text", "missing text in Slack confirmation configuration");
        }
    }
}
