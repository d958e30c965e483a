//! E-mail: one message a group, as plain text, HTML or both.

use std::time::{Duration, UNIX_EPOCH};

use futures::future::BoxFuture;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};

use super::http::{Link, give_up};
use super::message::{Mail, Message};
use super::rendering::{RenderError, Rendering, hash};
use super::{HttpClientConfig, Kind, smtp};
use crate::config::alertmanager::receivers::EmailConfig;
use crate::notify::Outcome;

const DEFAULT_SUBJECT: &str = "{{ template \"email.default.subject\" . }}";

impl EmailConfig {
    /// The configured headers, `Subject` by default, and what a thread and an identity need. The identity is that of
    /// the notification, not of the attempt: a mail sent twice can be told from two mails.
    fn headers(&self, with: &Rendering<'_>) -> Result<Vec<(String, String)>, RenderError> {
        let notification = with.notification;
        let mut headers = Vec::new();
        if !self.headers.contains_key("Subject") {
            headers.push(("Subject".to_owned(), with.text(DEFAULT_SUBJECT)?));
        }
        for (name, template) in &self.headers {
            headers.push((name.clone(), with.text(template)?));
        }
        let host = if self.hello.is_empty() { "localhost" } else { &self.hello };
        if !self.headers.contains_key("Message-Id") {
            let unique = hash(&format!("{}/{}/{}", self.to, notification.group_key, notification.integration.receiver));
            let short = unique.get(..16).unwrap_or(&unique);
            let id = format!("<{}.{}.{short}@{host}>", notification.decided_at, notification.id);
            headers.push(("Message-Id".to_owned(), id));
        }
        if self.threading.enabled {
            let day = match self.threading.thread_by_date.as_str() {
                "daily" => crate::template::Time::from_millis(notification.decided_at).format("2006-01-02"),
                _ => String::new(),
            };
            let thread = format!("<alert-{}-{day}@alertmanager>", with.key_hash().get(..16).unwrap_or(""));
            headers.push(("References".to_owned(), thread.clone()));
            headers.push(("In-Reply-To".to_owned(), thread));
        }
        Ok(headers)
    }
}

/// The message for the wire. Subject and names are encoded where they are not ASCII, parts as quoted-printable or
/// base64.
fn compose(mail: &Mail, at: i64) -> Result<lettre::Message, String> {
    let addresses = |what: &str, list: &str| -> Result<Mailboxes, String> {
        list.parse().map_err(|e| format!("parse '{what}' addresses: {e}"))
    };
    let from: Mailbox =
        addresses("from", &mail.from)?.into_single().ok_or_else(|| "must be exactly one 'from' address".to_owned())?;
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0));
    let mut builder = lettre::Message::builder().date(date).from(from);
    for to in addresses("to", &mail.to)? {
        builder = builder.to(to);
    }
    for (name, value) in &mail.headers {
        let name = HeaderName::new_from_ascii(name.clone()).map_err(|_| format!("header {name:?} is not valid"))?;
        // A line feed would begin another header.
        let value = value.replace(['\r', '\n'], " ");
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let message = match (mail.text.is_empty(), mail.html.is_empty()) {
        (true, true) => builder.singlepart(part(ContentType::TEXT_PLAIN, "")),
        (false, true) => builder.singlepart(part(ContentType::TEXT_PLAIN, &mail.text)),
        (true, false) => builder.singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        (false, false) => builder.multipart(
            MultiPart::alternative()
                .singlepart(part(ContentType::TEXT_PLAIN, &mail.text))
                .singlepart(part(ContentType::TEXT_HTML, &mail.html)),
        ),
    };
    message.map_err(|e| e.to_string())
}

impl Kind for EmailConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        Ok(Message::Mail(Box::new(Mail {
            from: with.text(&self.from)?,
            to: with.text(&self.to)?,
            headers: self.headers(with)?,
            text: with.text(&self.text)?,
            html: if self.html.is_empty() { String::new() } else { with.html(&self.html)? },
        })))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        None
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Message::Mail(mail) = message else { return give_up("no mail to send") };
            match compose(mail, link.clock.now()) {
                Ok(composed) => smtp::send(self, &composed).await,
                Err(reason) => give_up(reason),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arabic_mails_are_encoded_for_the_way() {
        let mail = Mail {
            from: "Watch <a@example.org>".into(),
            to: "x@example.org, عمر <y@example.org>".into(),
            headers: vec![("Subject".into(), "تنبيه\r\nBcc: evil@example.org".into()), ("X-Team".into(), "ml".into())],
            text: "الذاكرة ممتلئة".into(),
            html: "<p dir=\"rtl\">الذاكرة</p>".into(),
        };
        let wire = String::from_utf8(compose(&mail, 1_700_000_000_000).unwrap().formatted()).unwrap();
        assert!(wire.is_ascii());
        assert!(wire.contains("multipart/alternative") && wire.contains("X-Team: ml"), "{wire}");
        assert!(wire.contains("Date: Tue, 14 Nov 2023 22:13:20"), "{wire}");
        assert!(!wire.contains("\nBcc:"), "{wire}");
        let bad = Mail { to: "nobody".into(), ..mail };
        assert!(compose(&bad, 0).unwrap_err().starts_with("parse 'to' addresses"));
    }
}
