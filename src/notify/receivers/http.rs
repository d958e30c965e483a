//! HTTP on the way to receivers: making requests, and telling errors that pass from errors that stay.

use parking_lot::Mutex;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde_json::Value as Json;

use super::message::{Body, Request, resolve_all};
use super::multipart;
use super::rendering::Problem;
use crate::clock::Clock;
use crate::net::{HttpClient, NetError, Veil, aws, read_body};
use crate::notify::Outcome;

/// Most bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 64 * 1024;
/// Most characters of an answer that are quoted.
const LONGEST_QUOTE: usize = 300;

/// The way to a receiver.
pub(super) struct Link<'a> {
    pub client: &'a HttpClient,
    pub clock: &'a dyn Clock,
    pub group_key: &'a str,
    pub firing: bool,
    /// Where the group's last message is, as this integration said.
    pub place: Option<&'a str>,
    /// What went wrong without keeping the message from being delivered.
    pub problems: &'a Mutex<Vec<Problem>>,
    /// The role taken for AWS.
    pub role: &'a aws::Role,
    /// Where the message is that was delivered, in the words of its kind.
    pub sent: &'a Mutex<Option<Json>>,
}

/// A receiver's answer.
pub(super) struct Reply {
    pub status: u16,
    /// `Retry-After`, milliseconds from now.
    pub retry_after: Option<i64>,
    pub is_json: bool,
    pub body: String,
    /// What the request carried that nobody may read: services quote what they were sent.
    pub veil: Veil,
}

impl Reply {
    /// 2xx is delivered; 5xx, 429 and `also_retried` may pass; all else stays.
    pub fn judge(&self, also_retried: &[u16]) -> Outcome {
        if (200..300).contains(&self.status) {
            return Outcome::Delivered;
        }
        let mut reason = format!("unexpected status code {}", self.status);
        if !self.body.trim().is_empty() {
            reason = format!("{reason}: {}", self.quote());
        }
        if self.status >= 500 || self.status == 429 || also_retried.contains(&self.status) {
            Outcome::Retry { after: self.retry_after, reason }
        } else {
            Outcome::GiveUp { reason }
        }
    }

    /// The body, shortened for an error, without the request's secrets.
    pub fn quote(&self) -> String {
        self.quoted(&self.body)
    }

    /// As [`Reply::quote`], of what the body says.
    pub fn quoted(&self, text: &str) -> String {
        // A secret that is cut is still half of it.
        let text = self.veil.cover(text.trim());
        match text.char_indices().nth(LONGEST_QUOTE) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
            None => text,
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Json> {
        serde_json::from_str(&self.body).ok()
    }
}

/// An error that may pass.
pub(super) fn retry(reason: impl Into<String>) -> Outcome {
    Outcome::Retry { after: None, reason: reason.into() }
}

/// An error that stays.
pub(super) fn give_up(reason: impl Into<String>) -> Outcome {
    Outcome::GiveUp { reason: reason.into() }
}

impl Link<'_> {
    /// Notes that something went wrong although the message may be delivered.
    pub fn complain(&self, field: &str, error: String) {
        self.problems.lock().push(Problem { field: field.to_owned(), error });
    }

    /// Makes a request and reads the answer.
    ///
    /// # Errors
    /// The outcome of an attempt that got no answer: to be retried when the network failed or a secret's file could not
    /// be read, to be given up when the request itself is impossible.
    pub async fn call(&self, request: &Request) -> Result<Reply, Outcome> {
        let url = resolve_all(&request.url).map_err(retry)?;
        let veil = request.veil().map_err(retry)?;
        let mut builder = self.client.request(request.method.clone(), url.trim()).map_err(impossible)?;
        for (name, value) in &request.headers {
            let value = resolve_all(value).map_err(retry)?;
            let mut value = HeaderValue::try_from(value).map_err(|e| give_up(format!("header {name}: {e}")))?;
            // It may be a key.
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if let Some((content_type, body)) = wire(request)? {
            builder = builder.header(CONTENT_TYPE, content_type).body(body);
        }
        let sent = if request.secrets.is_empty() {
            self.client.send(builder).await
        } else {
            self.client.send_secret(builder).await
        };
        self.read(sent, veil).await
    }

    /// Sends a prepared request, whose body no other server may see, and reads the answer.
    pub async fn send_secret(&self, builder: reqwest::RequestBuilder) -> Result<Reply, Outcome> {
        self.read(self.client.send_secret(builder).await, Veil::default()).await
    }

    async fn read(&self, sent: Result<reqwest::Response, NetError>, mut veil: Veil) -> Result<Reply, Outcome> {
        // It may name where a service wanted the request to go, which may quote where it came to.
        let response = sent.map_err(|e| retry(veil.cover(&e.to_string())))?;
        response.extensions().get::<Veil>().into_iter().for_each(|credentials| veil.join(credentials));
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let retry_after = parse_retry_after(&header(RETRY_AFTER), self.clock.now());
        let is_json = header(CONTENT_TYPE).starts_with("application/json");
        let body = match read_body(response, LONGEST_ANSWER).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // The status says enough: what a long or broken body would have said is of no use.
            Err(_) => String::new(),
        };
        Ok(Reply { status, retry_after, is_json, body, veil })
    }
}

/// A request's body and its type.
fn wire(request: &Request) -> Result<Option<(String, Vec<u8>)>, Outcome> {
    let secrets =
        request.secrets.iter().map(|(name, secret)| Ok(((*name).to_owned(), secret.resolve().map_err(retry)?)));
    let secrets: Vec<(String, String)> = secrets.collect::<Result<_, Outcome>>()?;
    let (content_type, body, fields) = match &request.body {
        Body::Empty => return Ok(None),
        Body::Png(picture) => return Ok(Some(("image/png".into(), picture.png.clone()))),
        Body::Json(json) => {
            let mut json = json.clone();
            if let Json::Object(fields) = &mut json {
                fields.extend(secrets.into_iter().map(|(name, secret)| (name, Json::from(secret))));
            }
            let text = json.to_string();
            ("application/json", text.clone(), vec![("payload_json".to_owned(), text)])
        }
        Body::Form(fields) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            let all: Vec<(String, String)> = fields.iter().cloned().chain(secrets).collect();
            form.extend_pairs(&all);
            ("application/x-www-form-urlencoded", form.finish(), all)
        }
    };
    Ok(Some(match &request.picture {
        Some((field, picture)) => multipart::form(&fields, field, &picture.png),
        None => (content_type.into(), body.into_bytes()),
    }))
}

fn impossible(error: NetError) -> Outcome {
    match error {
        // A file of a secret may come.
        NetError::File { .. } => retry(error.to_string()),
        // The text names the URL, which may be a secret.
        NetError::Url { reason, .. } => give_up(format!("the receiver's URL is not valid: {reason}")),
        other => give_up(other.to_string()),
    }
}

/// `Retry-After` as seconds or as an HTTP date, in milliseconds from now.
fn parse_retry_after(value: &str, now: i64) -> Option<i64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(i64::from(seconds) * 1000);
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.timestamp_millis() - now).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = 1_700_000_000_000;
        for (value, want) in [
            ("3", Some(3_000)),
            (" 120 ", Some(120_000)),
            ("Tue, 14 Nov 2023 22:13:30 GMT", Some(10_000)),
            ("Tue, 14 Nov 2023 22:13:10 GMT", Some(0)),
            ("", None),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(parse_retry_after(value, now), want, "{value:?}");
        }
    }

    #[test]
    fn errors_that_pass_are_told_from_errors_that_stay() {
        let reply = |status| Reply {
            status,
            retry_after: Some(5),
            is_json: false,
            body: "sorry".into(),
            veil: Veil::default(),
        };
        for status in [200, 202, 204] {
            assert_eq!(reply(status).judge(&[]), Outcome::Delivered);
        }
        for status in [429, 500, 502, 503, 599] {
            assert!(matches!(reply(status).judge(&[]), Outcome::Retry { after: Some(5), .. }), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 413] {
            let reason = format!("unexpected status code {status}: sorry");
            assert_eq!(reply(status).judge(&[]), Outcome::GiveUp { reason });
        }
        assert!(matches!(reply(403).judge(&[403]), Outcome::Retry { .. }));
    }
}
