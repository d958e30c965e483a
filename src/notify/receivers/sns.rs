//! Amazon SNS: `Publish` as a signed form (Signature Version 4).

use futures::future::BoxFuture;
use hmac::{Hmac, Mac};
use reqwest::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use super::http::{Link, give_up, retry};
use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::SnsConfig;
use crate::config::secret::Secret;
use crate::notify::Outcome;
use crate::template::Time;

/// Most characters of a subject.
const LONGEST_SUBJECT: usize = 100;
/// Most bytes of a message, and of a text message to a phone.
const LARGEST: [usize; 2] = [256 * 1024, 1600];
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Who signs.
struct Credentials {
    access_key: String,
    secret_key: Secret,
    session_token: Option<Secret>,
}

impl SnsConfig {
    /// The region: configured, or that of the ARN.
    fn region(&self) -> &str {
        if !self.sigv4.region.is_empty() {
            return &self.sigv4.region;
        }
        let arn = if self.topic_arn.is_empty() { &self.target_arn } else { &self.topic_arn };
        arn.split(':').nth(3).unwrap_or("us-east-1")
    }

    fn endpoint(&self, with: &Rendering<'_>) -> Result<String, RenderError> {
        let given = with.text(&self.api_url)?;
        Ok(if given.is_empty() { format!("https://sns.{}.amazonaws.com/", self.region()) } else { given })
    }

    /// From the configuration, else from the environment, as AWS' own clients do.
    fn credentials(&self) -> Result<Credentials, Outcome> {
        if !self.sigv4.role_arn.is_empty() || !self.sigv4.profile.is_empty() {
            return Err(give_up("sigv4: role_arn and profile are not supported; give access_key and secret_key"));
        }
        if !self.sigv4.access_key.is_empty() {
            let (access_key, secret_key) = (self.sigv4.access_key.clone(), self.sigv4.secret_key.clone());
            return Ok(Credentials { access_key, secret_key, session_token: None });
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(access_key), Some(secret)) => Ok(Credentials {
                access_key,
                secret_key: Secret::new(secret),
                session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            }),
            _ => Err(retry("no AWS credentials, neither in sigv4 nor in the environment")),
        }
    }
}

impl Kind for SnsConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let [most, most_to_phone] = LARGEST;
        let message = with.text(&self.message)?;
        let most = if self.phone_number.is_empty() { most } else { most_to_phone };
        let cut = super::rendering::truncate_bytes(&message, most);
        let mut form = vec![("Action".to_owned(), "Publish".to_owned()), ("Version".into(), "2010-03-31".into())];
        let mut attributes = Vec::new();
        for (name, template) in &self.attributes {
            attributes.push((with.text(name)?, with.text(template)?));
        }
        if cut.len() < message.len() {
            attributes.push(("truncated".into(), "true".into()));
        }
        form.push(("Message".into(), cut));
        let subject = truncate(&with.text(&self.subject)?, LONGEST_SUBJECT);
        if !subject.is_empty() {
            form.push(("Subject".into(), subject));
        }
        for (name, template) in
            [("TopicArn", &self.topic_arn), ("TargetArn", &self.target_arn), ("PhoneNumber", &self.phone_number)]
        {
            let value = with.text(template)?;
            // Ordered topics tell groups apart, and drop what they got already.
            if name == "TopicArn" && value.ends_with(".fifo") {
                form.push(("MessageDeduplicationId".into(), with.key_hash()));
                form.push(("MessageGroupId".into(), with.key_hash()));
            }
            if !value.is_empty() {
                form.push((name.into(), value));
            }
        }
        for (i, (name, value)) in attributes.into_iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", i + 1);
            form.push((format!("{entry}.Name"), name));
            form.push((format!("{entry}.Value.DataType"), "String".into()));
            form.push((format!("{entry}.Value.StringValue"), value));
        }
        let mut request = Request::post(vec![Part::plain(self.endpoint(with)?)], serde_json::Value::Null);
        request.body = Body::Form(form);
        Ok(Message::one(request))
    }

    fn http(&self) -> Option<&HttpClientConfig> {
        self.http_config.as_ref()
    }

    fn send<'a>(&'a self, message: &'a Message, link: &'a Link<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(request) = message.requests().first() else { return give_up("nothing to send") };
            match self.publish(request, link).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        })
    }
}

impl SnsConfig {
    async fn publish(&self, request: &Request, link: &Link<'_>) -> Result<Outcome, Outcome> {
        let Body::Form(form) = &request.body else { return Err(give_up("nothing to send")) };
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let address = super::message::resolve_all(&request.url).map_err(retry)?;
        let url = url::Url::parse(&address).map_err(|_| give_up("api_url is not a valid URL"))?;
        let credentials = self.credentials()?;
        let signed = Signed {
            credentials: &credentials,
            region: self.region(),
            host: match url.port() {
                Some(port) => format!("{}:{port}", url.host_str().unwrap_or("")),
                None => url.host_str().unwrap_or("").to_owned(),
            },
            path: url.path().to_owned(),
            body: &body,
            at: Time::from_millis(link.clock.now()).format("20060102T150405Z"),
        };
        let mut builder = link
            .client
            .request(reqwest::Method::POST, url.as_str())
            .map_err(|e| give_up(e.to_string()))?
            .header(CONTENT_TYPE, FORM)
            .header("X-Amz-Date", &signed.at)
            .header("Authorization", signed.authorization());
        if let Some(token) = &credentials.session_token {
            builder = builder.header("X-Amz-Security-Token", token.expose());
        }
        Ok(self.judge(&link.send(builder.body(body)).await?))
    }
}

/// A request to be signed.
struct Signed<'a> {
    credentials: &'a Credentials,
    region: &'a str,
    host: String,
    path: String,
    body: &'a str,
    /// `20060102T150405Z`
    at: String,
}

impl Signed<'_> {
    /// The `Authorization` header's value.
    fn authorization(&self) -> String {
        let mut headers = vec![("content-type", FORM), ("host", &self.host), ("x-amz-date", &self.at)];
        if let Some(token) = &self.credentials.session_token {
            headers.push(("x-amz-security-token", token.expose()));
        }
        let names = headers.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
        let canonical = format!("POST\n{}\n\n{lines}\n{names}\n{}", self.path, digest(self.body));
        let day = self.at.get(..8).unwrap_or("");
        let scope = format!("{day}/{}/sns/aws4_request", self.region);
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", self.at, digest(&canonical));
        let first = format!("AWS4{}", self.credentials.secret_key.expose());
        let key =
            [day, self.region, "sns", "aws4_request"].iter().fold(first.into_bytes(), |key, part| hmac(&key, part));
        let signature: String = hmac(&key, &text).iter().map(|b| format!("{b:02x}")).collect();
        let who = &self.credentials.access_key;
        format!("AWS4-HMAC-SHA256 Credential={who}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is accepted; the type says otherwise.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
