//! `watchbell.heartbeat`: the URL of an outside watch that pages when it is no longer called.

use super::http::HttpClientConfig;
use super::url::SecretUrl;
use super::yaml::{Duration, MapReader};
use crate::section;

section! {
    /// What is called while everything works. Such URLs hold a token, so it is kept secret.
    pub struct HeartbeatConfig as "heartbeat" with check {
        /// The URL; it is asked for with GET.
        url: Option<SecretUrl>,
        /// How often.
        interval: Duration = Duration::seconds(60),
        /// How long one call may take.
        timeout: Duration = Duration::seconds(10),
    }
    inline {
        /// The HTTP client.
        http: HttpClientConfig,
    }
}

impl HeartbeatConfig {
    fn check(&mut self, m: &MapReader) {
        if !m.is_set("url") {
            m.error("url", "heartbeat needs a url");
        }
        for (key, duration) in [("interval", self.interval), ("timeout", self.timeout)] {
            if duration.0 == 0 {
                m.error(key, format!("{key} cannot be zero"));
            }
        }
    }
}
