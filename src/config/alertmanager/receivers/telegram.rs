//! Telegram.

use super::{MessagePlot, fill_secret, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Messages of a bot.
    pub struct TelegramConfig as "telegram config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The API.
        api_url: Option<HttpUrl>,
        /// The bot's token.
        bot_token: Secret,
        /// File with that.
        bot_token_file: String,
        /// Where to write.
        chat_id: i64,
        /// File with that.
        chat_id_file: String,
        /// Which thread.
        message_thread_id: i64,
        /// Text.
        message: String = "{{ template \"telegram.default.message\" . }}".into(),
        /// Without a sound.
        disable_notifications: bool,
        /// `HTML`, `Markdown`, `MarkdownV2` or nothing.
        parse_mode: String = "HTML".into(),
        /// A plot of what the rule measured, in answer to the message: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
    }
}

integration!(TelegramConfig as "telegram", paths: [bot_token_file, chat_id_file], fill: fill_api, plot: plot);

impl TelegramConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("bot_token", "bot_token_file");
        if self.chat_id == 0 && self.chat_id_file.is_empty() {
            m.error("chat_id", "missing chat_id or chat_id_file on telegram_config");
        }
        if self.chat_id != 0 && !self.chat_id_file.is_empty() {
            m.error("chat_id_file", "at most one of chat_id & chat_id_file must be configured");
        }
        if !["", "Markdown", "MarkdownV2", "HTML"].contains(&self.parse_mode.as_str()) {
            m.error(
                "parse_mode",
                "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
            );
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        self.api_url.get_or_insert_with(|| global.telegram_api_url.clone());
        let own = (&mut self.bot_token, &mut self.bot_token_file);
        match fill_secret(own, (&global.telegram_bot_token, &global.telegram_bot_token_file)) {
            true => Ok(()),
            false => Err("missing bot_token or bot_token_file on telegram_config".into()),
        }
    }
}
