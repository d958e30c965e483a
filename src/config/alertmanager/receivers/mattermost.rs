//! Mattermost.

use super::integration;
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::url::SecretUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// A Mattermost webhook.
    pub struct MattermostConfig as "mattermost config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The webhook.
        webhook_url: Option<SecretUrl>,
        /// File with that.
        webhook_url_file: String,
        /// Where to write.
        channel: String,
        /// Who writes.
        username: String = "{{ template \"mattermost.default.username\" . }}".into(),
        /// Picture of who writes.
        icon_url: String,
        /// Emoji of who writes.
        icon_emoji: String,
        /// Kind of post.
        post_type as "type": String,
        /// Colour of the bar.
        color: String = "{{ template \"mattermost.default.color\" . }}".into(),
        /// Text for clients that show no attachments.
        fallback: String = "{{ template \"mattermost.default.fallback\" . }}".into(),
        /// Text above the attachment.
        pretext: String,
        /// Text.
        text: String = "{{ template \"mattermost.default.text\" . }}".into(),
        /// Title.
        title: String = "{{ template \"mattermost.default.title\" . }}".into(),
        /// The title's link.
        title_link: String = "{{ template \"mattermost.default.titlelink\" . }}".into(),
        /// Author.
        author_name: String,
        /// The author's link.
        author_link: String,
        /// The author's picture.
        author_icon: String,
        /// Fields.
        fields: Vec<MattermostField>,
        /// A small picture.
        thumb_url: String,
        /// A picture.
        image_url: String,
        /// Text below.
        footer: String,
        /// Picture beside that.
        footer_icon: String,
        /// More attachments.
        attachments: Vec<MattermostAttachment>,
        /// More properties.
        props: Option<MattermostProps>,
        /// Priority.
        priority: Option<MattermostPriority>,
    }
}

section! {
    /// An attachment.
    pub struct MattermostAttachment as "mattermost attachment" {
        /// Text for clients that show no attachments.
        fallback: String,
        /// Colour of the bar.
        color: String,
        /// Text above.
        pretext: String,
        /// Text.
        text: String,
        /// Author.
        author_name: String,
        /// The author's link.
        author_link: String,
        /// The author's picture.
        author_icon: String,
        /// Title.
        title: String,
        /// The title's link.
        title_link: String,
        /// Fields.
        fields: Vec<MattermostField>,
        /// A small picture.
        thumb_url: String,
        /// Text below.
        footer: String,
        /// Picture beside that.
        footer_icon: String,
        /// A picture.
        image_url: String,
    }
}

section! {
    /// A titled value.
    pub struct MattermostField as "mattermost field" with check {
        /// Title.
        title: String,
        /// Value.
        value: String,
        /// Beside others.
        short: Option<bool>,
    }
}

section! {
    /// More properties of a post.
    pub struct MattermostProps as "mattermost props" {
        /// Text shown beside the post.
        card: String,
    }
}

section! {
    /// Priority of a post.
    pub struct MattermostPriority as "mattermost priority" {
        /// `important` or `urgent`.
        priority: String,
        /// Ask for an acknowledgement.
        requested_ack: bool,
        /// Notify until acknowledged.
        persistent_notifications: bool,
    }
}

integration!(MattermostConfig as "mattermost", paths: [webhook_url_file], fill: fill_webhook);

impl MattermostField {
    fn check(&mut self, m: &MapReader) {
        for (key, value) in [("title", &self.title), ("value", &self.value)] {
            if value.is_empty() {
                m.error(key, format!("missing {key} in Mattermost field configuration"));
            }
        }
    }
}

impl MattermostConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("webhook_url", "webhook_url_file");
    }

    fn fill_webhook(&mut self, global: &Global) -> Result<(), String> {
        if self.webhook_url.is_none() && self.webhook_url_file.is_empty() {
            self.webhook_url.clone_from(&global.mattermost_webhook_url);
            self.webhook_url_file.clone_from(&global.mattermost_webhook_url_file);
        }
        match self.webhook_url.is_none() && self.webhook_url_file.is_empty() {
            true => Err("missing webhook_url or webhook_url_file on mattermost_config".into()),
            false => Ok(()),
        }
    }
}
