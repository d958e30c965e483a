//! E-mail: one message a group, as plain text, HTML or both. Who gets it is said by `to` and `from`; headers are for show.

use std::time::{Duration, UNIX_EPOCH};

use futures::future::BoxFuture;
use lettre::message::header::{ContentType, Date, HeaderName, HeaderValue, Headers};
use lettre::message::{Attachment, MultiPart, SinglePart};

use super::fit::{self, Limit, Markup};
use super::http::{Link, give_up};
use super::message::{Mail, Message};
use super::rendering::{RenderError, Rendering, hash};
use super::{HttpClientConfig, Kind, NOTIFICATION_HEADER, addresses, smtp};
use crate::config::alertmanager::receivers::EmailConfig;
use crate::notify::Outcome;
use crate::plot::Picture;
use crate::template::escape;

const DEFAULT_SUBJECT: &str = "{{ template \"email.default.subject\" . }}";
const SUBJECT: Limit = Limit::chars(900);
/// More is not read, and the more it is the likelier it is refused on its way.
const HTML: Limit = Limit::bytes(256 * 1024).of(Markup::Mail);
const TEXT: Limit = Limit::bytes(256 * 1024);
/// By this the HTML names the plot.
const PLOT_ID: &str = "plot@watchbell";

impl EmailConfig {
    /// From, to and subject unless configured, the configured headers, and what a thread and an identity need. The
    /// identity is that of the notification, not of the attempt: a mail sent twice can be told from two mails.
    fn headers(&self, with: &Rendering<'_>, from: &str, to: &str) -> Vec<(String, String)> {
        let notification = with.notification;
        let mut headers = Vec::new();
        for (name, value) in [("From", from), ("To", to)] {
            if !self.headers.contains_key(name) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let subject = self.headers.get("Subject").map_or(DEFAULT_SUBJECT, String::as_str);
        headers.push(("Subject".to_owned(), with.title("headers.Subject", subject, SUBJECT)));
        for (name, template) in self.headers.iter().filter(|(name, _)| *name != "Subject") {
            headers.push((name.clone(), with.text(&format!("headers.{name}"), template)));
        }
        if !self.headers.contains_key(NOTIFICATION_HEADER) {
            headers.push((NOTIFICATION_HEADER.to_owned(), notification.id.to_string()));
        }
        // What is the same everywhere names nobody.
        let host = Some(self.hello.clone()).filter(|name| !matches!(name.as_str(), "" | "localhost"));
        let host = host.unwrap_or_else(crate::net::hostname);
        let host = if host.is_empty() { "localhost" } else { &host };
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
        headers
    }
}

/// The message for the wire. Headers are encoded where they are not ASCII, parts as quoted-printable or base64.
fn compose(mail: &Mail, at: i64) -> Result<Vec<u8>, String> {
    let mut headers = Headers::new();
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0));
    headers.set(Date::from(date));
    for (name, value) in &mail.headers {
        let name = HeaderName::new_from_ascii(name.clone()).map_err(|_| format!("header {name:?} is not valid"))?;
        // A line feed would begin another header.
        headers.insert_raw(HeaderValue::new(name, value.replace(['\r', '\n'], " ")));
    }
    let part = |kind: ContentType, body: &str| SinglePart::builder().header(kind).body(body.to_owned());
    let text = || part(ContentType::TEXT_PLAIN, &mail.text);
    let html = || part(ContentType::TEXT_HTML, &mail.html);
    let body = match (mail.text.is_empty(), mail.html.is_empty(), &mail.picture) {
        (_, true, _) => text().formatted(),
        (true, false, None) => html().formatted(),
        (true, false, Some(picture)) => related(html(), picture)?.formatted(),
        (false, false, None) => MultiPart::alternative().singlepart(text()).singlepart(html()).formatted(),
        (false, false, Some(picture)) => {
            MultiPart::alternative().singlepart(text()).multipart(related(html(), picture)?).formatted()
        }
    };
    let mut wire = format!("{headers}MIME-Version: 1.0\r\n").into_bytes();
    wire.extend(body);
    Ok(wire)
}

/// HTML and the picture that it shows.
fn related(html: SinglePart, picture: &Picture) -> Result<MultiPart, String> {
    let png = ContentType::parse("image/png").map_err(|e| e.to_string())?;
    let shown = Attachment::new_inline_with_name(PLOT_ID.into(), "plot.png".into()).body(picture.png.clone(), png);
    Ok(MultiPart::related().singlepart(html).singlepart(shown))
}

/// The plot below the text, which leads to why the mail was sent.
fn with_plot(html: &str, picture: &Picture, link: &str) -> String {
    let (alt, link) = (escape::html(&picture.alt), escape::html(link));
    let shown = format!(
        "<p><a href=\"{link}\"><img src=\"cid:{PLOT_ID}\" alt=\"{alt}\" width=\"600\" height=\"240\" style=\"max-width:100%;height:auto\"></a></p>"
    );
    fit::append(html, &shown, Markup::Mail)
}

impl Kind for EmailConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let (from, to) = (with.address("from", &self.from)?, with.address("to", &self.to)?);
        let (senders, defects) = addresses::parse(&from);
        let [sender] = senders.as_slice() else {
            let why = defects.first().map_or("must be exactly one 'from' address", String::as_str);
            return Err(RenderError::new(format!("parse 'from' addresses: {why}")));
        };
        let (recipients, defects) = addresses::parse(&to);
        if recipients.is_empty() {
            let why = defects.first().map_or("there is none", String::as_str);
            return Err(RenderError::new(format!("parse 'to' addresses: {why}")));
        }
        // One that cannot be written to keeps no other from being told.
        defects.iter().for_each(|defect| with.complain("to", defect));
        let headers = self.headers(with, &from, &to);
        let text = if self.text.is_empty() { String::new() } else { with.body("text", &self.text, TEXT) };
        let html = if self.html.is_empty() { String::new() } else { with.body("html", &self.html, HTML) };
        let picture = with.plot.as_ref().filter(|_| !html.is_empty()).map(|plot| plot.picture.clone());
        let html = match &picture {
            Some(picture) => with_plot(&html, picture, &with.explanation()),
            None => html,
        };
        let (sender, recipients) = (sender.clone(), recipients);
        Ok(Message::Mail(Box::new(Mail { from, to, sender, recipients, headers, text, html, picture })))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        None
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Message::Mail(mail) = message else { return give_up("no mail to send") };
            match compose(mail, link.clock.now()) {
                Ok(wire) => smtp::send(self, mail, &wire, link).await,
                Err(reason) => give_up(reason),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(headers: &[(&str, &str)]) -> Mail {
        Mail {
            from: "Watch <a@example.org>".into(),
            to: "x@example.org".into(),
            sender: "a@example.org".parse().unwrap(),
            recipients: vec!["x@example.org".parse().unwrap()],
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            text: "الذاكرة ممتلئة".into(),
            html: "<p dir=\"rtl\">الذاكرة</p>".into(),
            picture: None,
        }
    }

    #[test]
    fn arabic_mails_are_encoded_for_the_way() {
        let headers = [("To", "عمر <y@example.org>"), ("Subject", "تنبيه\r\nBcc: evil@example.org"), ("X-Team", "ml")];
        let wire = String::from_utf8(compose(&mail(&headers), 1_700_000_000_000).unwrap()).unwrap();
        assert!(wire.is_ascii());
        assert!(wire.contains("multipart/alternative") && wire.contains("X-Team: ml\r\n"), "{wire}");
        assert!(wire.contains("Date: Tue, 14 Nov 2023 22:13:20"), "{wire}");
        assert!(wire.contains("<y@example.org>") && !wire.contains("\nBcc:"), "{wire}");
    }

    #[test]
    fn headers_are_for_show() {
        let headers = [("From", "Monitoring"), ("To", "undisclosed-recipients:;"), ("Sender", "boss@example.org")];
        let wire = String::from_utf8(compose(&mail(&headers), 0).unwrap()).unwrap();
        for (name, value) in headers {
            assert!(wire.contains(&format!("{name}: {value}\r\n")), "{wire}");
        }
        assert!(compose(&mail(&[("no such header", "x")]), 0).is_err());
    }
}
