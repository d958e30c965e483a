//! Messages, rendered but not sent: what they say is there, what is secret comes in when they are sent.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use crate::config::redact::MASK;
use crate::config::secret::{Secret, inline_or_file};
use crate::config::url::SecretUrl;
use crate::net::Veil;
use crate::plot::Picture;

/// A message for one integration.
#[derive(Clone, Debug)]
pub enum Message {
    /// HTTP requests, to be made one after another.
    Http(Vec<Request>),
    /// An e-mail.
    Mail(Box<Mail>),
}

/// An e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// From whom, as addresses.
    pub from: String,
    /// To whom, as addresses.
    pub to: String,
    /// Who answers for it: the address of `from`.
    pub sender: lettre::Address,
    /// Who gets it: the addresses of `to`.
    pub recipients: Vec<lettre::Address>,
    /// Headers, `Subject` among them.
    pub headers: Vec<(String, String)>,
    /// Plain text; empty for none.
    pub text: String,
    /// HTML; empty for none.
    pub html: String,
    /// The picture that the HTML shows.
    pub picture: Option<Arc<Picture>>,
}

impl Message {
    /// A message of one request.
    pub(super) fn one(request: Request) -> Self {
        Message::Http(vec![request])
    }

    pub(super) fn requests(&self) -> &[Request] {
        match self {
            Message::Http(requests) => requests,
            Message::Mail(_) => &[],
        }
    }

    /// What the receiver gets, secrets masked: the body of a request (a list of bodies for several), or the parts of
    /// a mail.
    pub fn payload(&self) -> Json {
        match self {
            Message::Http(requests) => match requests.as_slice() {
                [one] => one.shown(),
                several => Json::Array(several.iter().map(Request::shown).collect()),
            },
            Message::Mail(mail) => {
                let headers: Map<String, Json> = mail.headers.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
                json!({
                    "from": mail.from, "to": mail.to, "headers": headers, "text": mail.text, "html": mail.html,
                })
            }
        }
    }
}

/// A piece of a URL, a header or a body.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Not secret.
    Plain(String),
    /// Secret: given, or in a file that is read when the message is sent.
    Secret(Secret, String),
}

impl Part {
    pub fn plain(text: impl Into<String>) -> Self {
        Part::Plain(text.into())
    }

    pub fn secret(secret: &Secret, file: &str) -> Self {
        Part::Secret(secret.clone(), file.to_owned())
    }

    /// A URL that is a secret.
    pub fn url(url: Option<&SecretUrl>, file: &str) -> Self {
        Part::Secret(Secret::new(url.map_or("", SecretUrl::expose)), file.to_owned())
    }

    /// The text, for the wire.
    pub fn resolve(&self) -> Result<String, String> {
        match self {
            Part::Plain(text) => Ok(text.clone()),
            Part::Secret(secret, file) => match inline_or_file(secret, file) {
                Ok(Some(secret)) => Ok(secret.expose().to_owned()),
                Ok(None) => Err("a secret is missing from the configuration".into()),
                Err(e) => Err(e.to_string()),
            },
        }
    }

    fn shown(&self) -> &str {
        match self {
            Part::Plain(text) => text,
            Part::Secret(..) => MASK,
        }
    }
}

/// Several parts as one text, for the wire.
pub(super) fn resolve_all(parts: &[Part]) -> Result<String, String> {
    parts.iter().map(Part::resolve).collect()
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// JSON; secrets are added to the top level when it is sent.
    Json(Json),
    /// A form.
    Form(Vec<(String, String)>),
    /// A PNG.
    Png(Arc<Picture>),
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: reqwest::Method,
    pub(super) url: Vec<Part>,
    pub(super) headers: Vec<(&'static str, Vec<Part>)>,
    pub(super) body: Body,
    pub(super) secrets: Vec<(&'static str, Part)>,
    /// A picture that goes along, and the field of the form that it is in.
    pub(super) picture: Option<(&'static str, Arc<Picture>)>,
}

impl Request {
    /// A POST of JSON.
    pub(super) fn post(url: Vec<Part>, body: Json) -> Self {
        Request {
            method: reqwest::Method::POST,
            url,
            headers: Vec::new(),
            body: Body::Json(body),
            secrets: Vec::new(),
            picture: None,
        }
    }

    /// Adds a picture: the body becomes a form that has it in a field; JSON is in the field `payload_json` then.
    pub(super) fn with_picture(self, field: &'static str, picture: Arc<Picture>) -> Self {
        Request { picture: Some((field, picture)), ..self }
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: Vec<Part>) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a secret field to the body.
    pub(super) fn secret(mut self, name: &'static str, value: Part) -> Self {
        self.secrets.push((name, value));
        self
    }

    /// What is secret of it: pieces of its URL, and fields. Of its headers the client knows.
    ///
    /// # Errors
    /// A secret's file cannot be read.
    pub(super) fn veil(&self) -> Result<Veil, String> {
        let mut veil = Veil::default();
        for part in self.url.iter().filter(|part| matches!(part, Part::Secret(..))) {
            veil.hide_url(&part.resolve()?);
        }
        for (_, part) in &self.secrets {
            veil.hide(&part.resolve()?);
        }
        Ok(veil)
    }

    fn shown(&self) -> Json {
        let mut all: Map<String, Json> =
            self.secrets.iter().map(|(n, p)| ((*n).to_owned(), json!(p.shown()))).collect();
        match &self.body {
            Body::Empty | Body::Png(_) => {}
            Body::Json(Json::Object(fields)) => all.extend(fields.clone()),
            Body::Json(other) => return other.clone(),
            Body::Form(fields) => all.extend(fields.iter().map(|(n, v)| (n.clone(), json!(v)))),
        }
        Json::Object(all)
    }
}

/// Puts together a JSON object, leaving out what is empty, as Go's `omitempty` does.
#[derive(Default)]
pub(super) struct Fields(Map<String, Json>);

impl Fields {
    /// A field that is there even when empty.
    pub fn always(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A field that is left out when it is empty, false or zero.
    pub fn some(self, name: &str, value: impl Into<Json>) -> Self {
        let value = value.into();
        let empty = match &value {
            Json::Null | Json::Bool(false) => true,
            Json::String(s) => s.is_empty(),
            Json::Array(a) => a.is_empty(),
            Json::Object(o) => o.is_empty(),
            Json::Number(n) => n.as_f64() == Some(0.0),
            Json::Bool(true) => false,
        };
        if empty { self } else { self.always(name, value) }
    }

    pub fn json(self) -> Json {
        Json::Object(self.0)
    }
}
