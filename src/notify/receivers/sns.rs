//! Amazon SNS: `Publish` as a signed form (Signature Version 4).

use futures::future::BoxFuture;

use super::aws;
use super::http::{Link, give_up, retry};
use super::message::{Body, Message, Part, Request};
use super::rendering::{RenderError, Rendering, truncate};
use super::{HttpClientConfig, Kind};
use crate::config::alertmanager::receivers::SnsConfig;
use crate::notify::Outcome;

/// Most characters of a subject.
const LONGEST_SUBJECT: usize = 100;
/// Most bytes of a message, and of a text message to a phone.
const LARGEST: [usize; 2] = [256 * 1024, 1600];

impl SnsConfig {
    /// The region: configured, or that of the ARN, or of the environment.
    fn region(&self) -> String {
        if !self.sigv4.region.is_empty() {
            return self.sigv4.region.clone();
        }
        let arn = if self.topic_arn.is_empty() { &self.target_arn } else { &self.topic_arn };
        let of_arn = arn.split(':').nth(3).filter(|region| !region.is_empty()).map(str::to_owned);
        of_arn.or_else(|| aws::region(&self.sigv4, &variable)).unwrap_or_else(|| "us-east-1".into())
    }

    fn endpoint(&self, with: &Rendering<'_>) -> Result<String, RenderError> {
        let given = with.text(&self.api_url)?;
        Ok(if given.is_empty() { format!("https://sns.{}.amazonaws.com/", self.region()) } else { given })
    }
}

/// A variable of the process' environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
        let region = self.region();
        let signer = aws::credentials(&self.sigv4, &region, link.role, link, &variable).await?;
        let service = if self.sigv4.service_name.is_empty() { "sns" } else { &self.sigv4.service_name };
        Ok(self.judge(&aws::post(link, &url, &region, service, Some(&signer), body).await?))
    }
}
