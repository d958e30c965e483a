//! The API server: lists in pages, watches from where a list ended, and what to do when either fails.
//!
//! A client of our own over [`crate::net`], for the sake of `http_config`: proxies, OAuth 2.0 and tokens that are read anew
//! hold here as everywhere.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Notify;

use super::objects::{ObjectMeta, Resource};
use super::store::{Changes, MOST_OBJECTS, Store, too_many_objects};
use crate::clock::Stopwatch;
use crate::ingest::discovery::site::{MOST_PAGES, Site, too_many_pages};
use crate::net::{HttpClient, read_body};

/// Objects of a page of a list.
const PAGE: usize = 500;
/// The longest page, bytes.
const LONGEST_PAGE: u64 = 256 << 20;
/// The longest event, bytes. The server's store takes no object that is longer than 1.5 MiB.
const LONGEST_EVENT: usize = 16 << 20;
/// How long a watch is asked to last, seconds.
const WATCH: u64 = 300;
/// How long an answer may take, and how much longer than asked a watch may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pauses after failures.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is listed and watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// In this namespace; in all when there is none.
    pub namespace: Option<String>,
    pub label: String,
    pub field: String,
}

/// Why a list or a watch ended.
#[derive(Debug)]
enum Failure {
    /// The version it started from is too old.
    Expired,
    Other(String),
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Failure::Other(error)
    }
}

/// Follows the objects of one kind in one scope.
pub(super) struct Reflector<T> {
    pub client: HttpClient,
    /// The server's URL without a slash at its end.
    pub base: Arc<str>,
    pub scope: Scope,
    pub store: Arc<Store<T>>,
    pub site: Arc<Site>,
    pub changed: Arc<Notify>,
}

#[derive(Deserialize)]
#[serde(bound = "T: Resource")]
struct List<T> {
    #[serde(default)]
    metadata: ListMeta,
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    r#continue: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a serde_json::value::RawValue,
}

/// What an object of any kind says of itself, and of a failure.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Any {
    metadata: ObjectMeta,
    code: u16,
    message: String,
}

impl<T: Resource> Reflector<T> {
    /// Follows for ever.
    pub async fn run(self) {
        let (mut version, mut is_first, mut pause): (Option<String>, bool, Duration) = (None, true, FIRST_PAUSE);
        loop {
            let (watch, lists) = (Stopwatch::start(), version.is_none());
            let failure = match &mut version {
                None => match self.list().await {
                    Ok(from) => {
                        if std::mem::take(&mut is_first) {
                            self.store.had_list();
                        }
                        self.changed.notify_one();
                        self.site.part_works(&self.part());
                        version = Some(from);
                        None
                    }
                    Err(failure) => Some(failure),
                },
                Some(from) => self.watch(from).await.err(),
            };
            match failure {
                // What was listed is watched at once; so is what a watch of some length has left off.
                None if lists => continue,
                None => {
                    pause = FIRST_PAUSE;
                    if watch.elapsed() < FIRST_PAUSE {
                        tokio::time::sleep(FIRST_PAUSE).await;
                    }
                    continue;
                }
                Some(Failure::Expired) => version = None,
                Some(Failure::Other(error)) => {
                    self.site.counters.kubernetes_failures.inc();
                    self.site.part_failed(&self.part(), &format!("{}: {error}", T::PLURAL));
                }
            }
            // What went well for long and then failed is no outage yet.
            if watch.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What is told of it is told by this name.
    fn part(&self) -> String {
        format!("{}/{}", self.scope.namespace.as_deref().unwrap_or_default(), T::PLURAL)
    }

    fn url(&self, more: &[(&str, String)]) -> String {
        let place = match &self.scope.namespace {
            Some(namespace) => format!("{}/namespaces/{namespace}/{}", T::GROUP, T::PLURAL),
            None => format!("{}/{}", T::GROUP, T::PLURAL),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("labelSelector", &self.scope.label), ("fieldSelector", &self.scope.field)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(more.iter().filter(|(_, value)| !value.is_empty()));
        format!("{}/{place}?{}", self.base, query.finish())
    }

    async fn get(&self, url: &str, timeout: Option<Duration>) -> Result<Response, Failure> {
        let mut request = self.client.request(Method::GET, url).map_err(|e| e.to_string())?;
        request = request.header("Accept", "application/json");
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let sent = tokio::time::timeout(PATIENCE, self.client.send(request)).await;
        let response = sent.map_err(|_| "no answer in time".to_owned())?.map_err(|e| e.to_string())?;
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::GONE => Err(Failure::Expired),
            status => {
                let said = read_body(response, 64 << 10).await.unwrap_or_default();
                let said: Any = serde_json::from_slice(&said).unwrap_or_default();
                Err(Failure::Other(format!("server returned HTTP status {status}: {}", said.message)))
            }
        }
    }

    /// Lists everything; gives the version to watch from.
    async fn list(&self) -> Result<String, Failure> {
        let (mut objects, mut at) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let url = self.url(&[("limit", PAGE.to_string()), ("continue", at.clone())]);
            let body = read_body(self.get(&url, Some(PATIENCE * 4)).await?, LONGEST_PAGE).await;
            let body = body.map_err(|e| e.to_string())?;
            let page: List<T> = serde_json::from_slice(&body).map_err(|e| format!("unexpected list: {e}"))?;
            objects.extend(page.items.unwrap_or_default());
            if objects.len() > MOST_OBJECTS {
                return Err(Failure::Other(too_many_objects::<T>()));
            }
            at = page.metadata.r#continue;
            if at.is_empty() {
                let changes = self.store.replace(self.scope.namespace.as_deref(), objects)?;
                self.count(changes);
                return Ok(page.metadata.resource_version);
            }
        }
        Err(Failure::Other(too_many_pages()))
    }

    /// Watches from a version on, which moves with what is seen, until the server ends it, or something between: a
    /// connection that was cut is how proxies end a watch, and nothing is lost by it.
    async fn watch(&self, from: &mut String) -> Result<(), Failure> {
        let url = self.url(&[
            ("watch", "true".into()),
            ("allowWatchBookmarks", "true".into()),
            ("timeoutSeconds", WATCH.to_string()),
            ("resourceVersion", from.clone()),
        ]);
        let mut response = self.get(&url, None).await?;
        self.site.part_works(&self.part());
        let (mut buffer, silence) = (Vec::new(), Duration::from_secs(WATCH) + PATIENCE);
        loop {
            let piece = tokio::time::timeout(silence, response.chunk()).await;
            let piece = piece.map_err(|_| "the watch said nothing any more".to_owned())?;
            let Ok(Some(piece)) = piece else { return Ok(()) };
            buffer.extend_from_slice(&piece);
            let mut read = 0;
            while let Some(end) = buffer.get(read..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
                let line = buffer.get(read..read + end).unwrap_or_default();
                if !line.trim_ascii().is_empty() {
                    self.event(line, from)?;
                }
                read += end + 1;
            }
            buffer.drain(..read);
            if buffer.len() > LONGEST_EVENT {
                return Err(Failure::Other(format!("an event of more than {LONGEST_EVENT} bytes")));
            }
        }
    }

    fn event(&self, line: &[u8], from: &mut String) -> Result<(), Failure> {
        let bad = |e: serde_json::Error| Failure::Other(format!("unexpected event: {e}"));
        let event: Event = serde_json::from_slice(line).map_err(bad)?;
        let object = event.object.get();
        let version = match event.r#type {
            "BOOKMARK" => serde_json::from_str::<Any>(object).map_err(bad)?.metadata.resource_version,
            "ERROR" => {
                let said: Any = serde_json::from_str(object).unwrap_or_default();
                return Err(match said.code {
                    410 => Failure::Expired,
                    code => Failure::Other(format!("the watch failed with status {code}: {}", said.message)),
                });
            }
            kind => {
                let object: T = serde_json::from_str(object).map_err(bad)?;
                let version = object.meta().resource_version.clone();
                let changes = match kind {
                    "DELETED" => self.store.remove(&object),
                    _ => self.store.put(object)?,
                };
                self.count(changes);
                self.changed.notify_one();
                version
            }
        };
        if !version.is_empty() {
            *from = version;
        }
        Ok(())
    }

    fn count(&self, changes: Changes) {
        for (event, n) in [("add", changes.added), ("update", changes.updated), ("delete", changes.deleted)] {
            self.site.counters.kubernetes_events.with(&[T::ROLE, event]).add(n);
        }
    }
}
