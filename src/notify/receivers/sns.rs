//! Amazon SNS: `Publish` as a signed form (Signature Version 4).

use futures::future::BoxFuture;

use super::fit::Limit;
use super::http::{Link, give_up, retry};
use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering, hash};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::SnsConfig;
use crate::net::aws;
use crate::notify::Outcome;

/// A subject has fewer than 100 characters.
const SUBJECT: Limit = Limit::chars(99);
const MESSAGE: Limit = Limit::bytes(256 * 1024);
const MESSAGE_TO_PHONE: Limit = Limit::bytes(1600);

impl SnsConfig {
    /// The region: configured, or that of the ARN, or of the environment.
    fn region(&self) -> String {
        if !self.sigv4.region.is_empty() {
            return self.sigv4.region.clone();
        }
        let arn = if self.topic_arn.is_empty() { &self.target_arn } else { &self.topic_arn };
        let of_arn = arn.split(':').nth(3).filter(|region| !region.is_empty()).map(str::to_owned);
        of_arn.or_else(|| aws::region(&self.sigv4, &aws::variable)).unwrap_or_else(|| "us-east-1".into())
    }

    fn endpoint(&self, with: &Rendering<'_>) -> Result<String, RenderError> {
        let given = with.address("api_url", &self.api_url)?;
        Ok(if given.is_empty() { format!("https://sns.{}.amazonaws.com/", self.region()) } else { given })
    }
}

impl Kind for SnsConfig {
    fn render(&self, with: &Rendering<'_>) -> Result<Message, RenderError> {
        let mut form = vec![("Action".to_owned(), "Publish".to_owned()), ("Version".into(), "2010-03-31".into())];
        let mut attributes = Vec::new();
        for (name, template) in &self.attributes {
            let field = format!("attributes.{name}");
            attributes.push((with.text(&field, name), with.text(&field, template)));
        }
        // SNS takes none that is empty.
        attributes.retain(|(name, value)| !name.is_empty() && !value.is_empty());
        // A subject is one line.
        let subject = with.title("subject", &self.subject, SUBJECT).replace(char::is_control, " ");
        let limit = if self.phone_number.is_empty() { MESSAGE } else { MESSAGE_TO_PHONE };
        let message = with.body("message", &self.message, limit);
        if with.was_cut() {
            attributes.push(("truncated".into(), "true".into()));
        }
        // Nor an empty message.
        let is_empty = message.trim().is_empty();
        form.push(("Message".into(), if is_empty { subject.clone() } else { message }));
        if !subject.is_empty() {
            form.push(("Subject".into(), subject));
        }
        for (name, field, template) in [
            ("TopicArn", "topic_arn", &self.topic_arn),
            ("TargetArn", "target_arn", &self.target_arn),
            ("PhoneNumber", "phone_number", &self.phone_number),
        ] {
            let value = with.address(field, template)?;
            // Ordered topics tell groups apart, and drop what they got already.
            if name == "TopicArn" && value.ends_with(".fifo") {
                // One notification is one message, however often it is tried; the next one of the group is another.
                let unique = hash(&format!("{}/{}", with.notification.group_key, with.notification.id));
                form.push(("MessageDeduplicationId".into(), unique));
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
        let region = self.region();
        let now = link.clock.now();
        let found = aws::credentials(&self.sigv4, &region, link.role, &link.client.plain(), now, &aws::variable).await;
        let signer = found.map_err(|e| match e.passes {
            true => Outcome::Retry { after: e.after, reason: e.reason },
            false => give_up(e.reason),
        })?;
        let service = if self.sigv4.service_name.is_empty() { "sns" } else { &self.sigv4.service_name };
        let request = link.client.request(reqwest::Method::POST, url.as_str()).map_err(|e| give_up(e.to_string()))?;
        let mut request = request.header(reqwest::header::CONTENT_TYPE, aws::FORM);
        for (name, value) in aws::Signed::form(&signer, &region, service, &url, &body, now).headers() {
            request = request.header(name, value);
        }
        Ok(self.judge(&link.send_secret(request.body(body)).await?))
    }
}
