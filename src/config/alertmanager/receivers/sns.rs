//! Amazon SNS.

use std::collections::BTreeMap;

use super::integration;
use crate::config::http::HttpClientConfig;
use crate::config::identity::SigV4Config;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Messages to a topic, an endpoint or a phone.
    pub struct SnsConfig as "sns config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool = true,
        /// The HTTP client.
        http_config: Option<HttpClientConfig>,
        /// The API; derived from the region when empty.
        api_url: String,
        /// How requests are signed.
        sigv4: SigV4Config,
        /// The topic.
        topic_arn: String,
        /// The phone.
        phone_number: String,
        /// The endpoint.
        target_arn: String,
        /// Subject.
        subject: String = "{{ template \"sns.default.subject\" . }}".into(),
        /// Text.
        message: String = "{{ template \"sns.default.message\" . }}".into(),
        /// Attributes.
        attributes: BTreeMap<String, String>,
        /// Accepted for Alertmanager's sake; there is one HTTP client here.
        use_aws_http_client: bool,
    }
}

integration!(SnsConfig as "sns");

impl SnsConfig {
    fn check(&mut self, m: &MapReader) {
        let given = [&self.target_arn, &self.topic_arn, &self.phone_number].iter().filter(|s| !s.is_empty()).count();
        if given != 1 {
            let message = "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config";
            m.decoder().error(m.node().position, message);
        }
    }
}
