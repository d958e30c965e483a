//! Rocket.Chat.

use super::{fill_secret, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Messages in Rocket.Chat.
    pub struct RocketchatConfig as "rocketchat config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The API.
        api_url: Option<HttpUrl>,
        /// The user.
        token_id: Secret,
        /// File with that.
        token_id_file: String,
        /// The user's token.
        token: Secret,
        /// File with that.
        token_file: String,
        /// Where to write.
        channel: String,
        /// Colour of the bar.
        color: String = "{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}".into(),
        /// Title.
        title: String = "{{ template \"rocketchat.default.title\" . }}".into(),
        /// The title's link.
        title_link: String = "{{ template \"rocketchat.default.titlelink\" . }}".into(),
        /// Text.
        text: String = "{{ template \"rocketchat.default.text\" . }}".into(),
        /// Fields.
        fields: Vec<RocketchatField>,
        /// Show fields side by side.
        short_fields: bool,
        /// Emoji of who writes.
        emoji: String = "{{ template \"rocketchat.default.emoji\" . }}".into(),
        /// Picture of who writes.
        icon_url: String = "{{ template \"rocketchat.default.iconurl\" . }}".into(),
        /// A picture.
        image_url: String,
        /// A small picture.
        thumb_url: String,
        /// Make links of names.
        link_names: bool,
        /// Buttons.
        actions: Vec<RocketchatAction>,
    }
}

section! {
    /// A titled value.
    pub struct RocketchatField as "rocketchat field" {
        /// Beside others.
        short: Option<bool>,
        /// Title.
        title: String,
        /// Value.
        value: String,
    }
}

section! {
    /// A button.
    pub struct RocketchatAction as "rocketchat action" {
        /// Kind.
        kind as "type": String,
        /// Text.
        text: String,
        /// Where it leads.
        url: String,
        /// What it says into the channel.
        msg: String,
    }
}

integration!(RocketchatConfig as "rocketchat", paths: [token_file, token_id_file], fill: fill_api);

impl RocketchatConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("token", "token_file");
        m.at_most_one("token_id", "token_id_file");
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        let url = self.api_url.get_or_insert_with(|| global.rocketchat_api_url.clone());
        *url = url.with_trailing_slash();
        let id = (&mut self.token_id, &mut self.token_id_file);
        if !fill_secret(id, (&global.rocketchat_token_id, &global.rocketchat_token_id_file)) {
            return Err("no global Rocketchat TokenID set either inline or in a file".into());
        }
        let token = (&mut self.token, &mut self.token_file);
        match fill_secret(token, (&global.rocketchat_token, &global.rocketchat_token_file)) {
            true => Ok(()),
            false => Err("no global Rocketchat Token set either inline or in a file".into()),
        }
    }
}
