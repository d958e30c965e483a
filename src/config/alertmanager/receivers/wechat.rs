//! WeChat.

use super::{fill_secret, integration};
use crate::config::alertmanager::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::Secret;
use crate::config::url::HttpUrl;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Messages in WeChat Work.
    pub struct WechatConfig as "wechat config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The secret.
        api_secret: Secret,
        /// File with that.
        api_secret_file: String,
        /// The corporation.
        corp_id: String,
        /// Text.
        message: String = "{{ template \"wechat.default.message\" . }}".into(),
        /// The API.
        api_url: Option<HttpUrl>,
        /// To which users.
        to_user: String = "{{ template \"wechat.default.to_user\" . }}".into(),
        /// To which departments.
        to_party: String = "{{ template \"wechat.default.to_party\" . }}".into(),
        /// To which tags.
        to_tag: String = "{{ template \"wechat.default.to_tag\" . }}".into(),
        /// Which application writes.
        agent_id: String = "{{ template \"wechat.default.agent_id\" . }}".into(),
        /// `text` or `markdown`.
        message_type: String = "text".into(),
    }
}

integration!(WechatConfig as "wechat", paths: [api_secret_file], fill: fill_api);

impl WechatConfig {
    fn check(&mut self, m: &MapReader) {
        m.at_most_one("api_secret", "api_secret_file");
        if self.message_type.is_empty() {
            self.message_type = "text".into();
        }
        if !["text", "markdown"].contains(&self.message_type.as_str()) {
            let message =
                format!("weChat message type {:?} does not match valid options ^(text|markdown)$", self.message_type);
            m.error("message_type", message);
        }
    }

    fn fill_api(&mut self, global: &Global) -> Result<(), String> {
        let url = self.api_url.get_or_insert_with(|| global.wechat_api_url.clone());
        *url = url.with_trailing_slash();
        let own = (&mut self.api_secret, &mut self.api_secret_file);
        if !fill_secret(own, (&global.wechat_api_secret, &global.wechat_api_secret_file)) {
            return Err("no global Wechat Api Secret set either inline or in a file".into());
        }
        if self.corp_id.is_empty() {
            self.corp_id.clone_from(&global.wechat_api_corp_id);
        }
        (!self.corp_id.is_empty()).then_some(()).ok_or_else(|| "no global Wechat CorpID set".into())
    }
}
