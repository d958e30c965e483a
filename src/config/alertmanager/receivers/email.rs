//! E-mail.

use std::collections::BTreeMap;

use super::{Integration, MessagePlot, fill_secret};
use crate::config::alertmanager::{Global, HostPort};
use crate::config::http::{HttpClientConfig, TlsConfig};
use crate::config::secret::Secret;
use crate::config::yaml::MapReader;
use crate::section;

section! {
    /// Mail by SMTP.
    pub struct EmailConfig as "email config" with check {
        /// Tell of resolved alerts.
        send_resolved: bool,
        /// To whom; several addresses are separated by commas.
        to: String,
        /// From whom.
        from: String,
        /// How the client introduces itself.
        hello: String,
        /// The server.
        smarthost: HostPort,
        /// User.
        auth_username: String,
        /// Password of PLAIN and LOGIN.
        auth_password: Secret,
        /// File with that.
        auth_password_file: String,
        /// Secret of CRAM-MD5.
        auth_secret: Secret,
        /// File with that.
        auth_secret_file: String,
        /// Identity of PLAIN.
        auth_identity: String,
        /// Headers, by their canonical names.
        headers: BTreeMap<String, String>,
        /// Body in HTML.
        html: String = "{{ template \"email.default.html\" . }}".into(),
        /// Body as plain text.
        text: String,
        /// STARTTLS is a must.
        require_tls: Option<bool>,
        /// TLS.
        tls_config: Option<TlsConfig>,
        /// TLS from the first byte on; by default exactly on port 465.
        force_implicit_tls: Option<bool>,
        /// Whether mails of a group form a thread.
        threading: EmailThreading,
        /// A plot of what the rule measured, in the HTML: `true` for the last 3h, or how much time. Ours.
        plot: MessagePlot,
    }
}

section! {
    /// Whether mails of a group form a thread.
    pub struct EmailThreading as "threading config" with check {
        /// They do.
        enabled: bool,
        /// `none`, or `daily` for a new thread every day.
        thread_by_date: String,
    }
}

impl EmailThreading {
    fn check(&mut self, m: &MapReader) {
        if self.enabled && !["none", "daily"].contains(&self.thread_by_date.as_str()) {
            m.error("thread_by_date", "threading.thread_by_date must be either 'none' or 'daily'");
        }
    }
}

impl EmailConfig {
    fn check(&mut self, m: &MapReader) {
        if self.to.is_empty() {
            m.error("to", "missing to address in email config");
        }
        if self.plot.is_on() && self.html.is_empty() {
            m.error("plot", "a plot is shown in html, which is empty");
        }
        let mut canonical = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.headers) {
            let name = canonical_header(&name);
            if canonical.insert(name.clone(), value).is_some() {
                m.error("headers", format!("duplicate header {name:?} in email config"));
            }
        }
        self.headers = canonical;
    }
}

/// `x-my-header` as `X-My-Header`, the form mail headers are told apart in.
fn canonical_header(name: &str) -> String {
    let part = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase())).collect::<String>()
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

impl Integration for EmailConfig {
    const KIND: &'static str = "email";

    fn send_resolved(&self) -> bool {
        self.send_resolved
    }

    fn fill(&mut self, global: &Global) -> Result<(), String> {
        if self.smarthost.is_empty() {
            self.smarthost = global.smtp_smarthost.clone();
        }
        for (own, global) in [
            (&mut self.from, &global.smtp_from),
            (&mut self.hello, &global.smtp_hello),
            (&mut self.auth_username, &global.smtp_auth_username),
            (&mut self.auth_identity, &global.smtp_auth_identity),
        ] {
            if own.is_empty() {
                own.clone_from(global);
            }
        }
        let password = (&mut self.auth_password, &mut self.auth_password_file);
        fill_secret(password, (&global.smtp_auth_password, &global.smtp_auth_password_file));
        let secret = (&mut self.auth_secret, &mut self.auth_secret_file);
        fill_secret(secret, (&global.smtp_auth_secret, &global.smtp_auth_secret_file));
        self.require_tls.get_or_insert(global.smtp_require_tls);
        self.force_implicit_tls = self.force_implicit_tls.or(global.smtp_force_implicit_tls);
        self.tls_config.get_or_insert_with(|| global.smtp_tls_config.clone().unwrap_or_default());
        match () {
            () if self.smarthost.is_empty() => Err("no global SMTP smarthost set".into()),
            () if self.from.is_empty() => Err("no global SMTP from set".into()),
            () => Ok(()),
        }
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        None
    }

    fn http_config(&mut self) -> Option<&mut Option<HttpClientConfig>> {
        None
    }

    fn plot(&self) -> MessagePlot {
        self.plot
    }

    fn paths(&mut self) -> Vec<&mut String> {
        let tls = self.tls_config.as_mut().map(|t| [&mut t.ca_file, &mut t.cert_file, &mut t.key_file]);
        tls.into_iter().flatten().chain([&mut self.auth_password_file, &mut self.auth_secret_file]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_one_canonical_name() {
        assert_eq!(canonical_header("x-mY-header"), "X-My-Header");
        assert_eq!(canonical_header("subject"), "Subject");
    }
}
