//! `--web.config.file`: TLS, users and headers of what is served, as Prometheus' exporter-toolkit has them. The file, and
//! those that it names, are read anew for each connection and each request: what changes in them counts from then on.

mod rate;
mod tls;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use rustls::ServerConfig;

use crate::clock::Stopwatch;
use crate::config::web::{ClientAuth, WebConfig};

use rate::Bucket;
use users::Users;
pub(super) use users::user_name;

/// That the file is bad is told at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Who may connect, and how.
pub struct WebAccess {
    path: PathBuf,
    is_tls: bool,
    in_force: Mutex<InForce>,
    users: Users,
    bucket: Bucket,
    told: Mutex<Option<Stopwatch>>,
}

#[derive(Clone)]
struct InForce {
    text: String,
    config: Arc<WebConfig>,
    tls: Option<tls::Built>,
}

impl InForce {
    /// What the file says now; what has not changed since `before` is not built again.
    fn read(path: &Path, before: Option<&InForce>) -> Result<InForce, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let config = match before.filter(|before| before.text == text) {
            Some(before) => before.config.clone(),
            None => {
                let config = WebConfig::load(path, &text);
                let lines = |all: Vec<crate::model::Diagnostic>| {
                    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
                };
                let config = config.map_err(lines)?;
                users::check(&config)?;
                Arc::new(config)
            }
        };
        let tls = match config.tls_server_config.is_asked_for() {
            false => None,
            true => Some(tls::Built::new(&config.tls_server_config, before.and_then(|b| b.tls.as_ref()))?),
        };
        Ok(InForce { text, config, tls })
    }
}

impl WebAccess {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub fn load(path: &Path) -> Result<WebAccess, String> {
        let in_force = InForce::read(path, None)?;
        let is_tls = in_force.tls.is_some();
        let (path, users, bucket, told) = (path.to_owned(), Users::default(), Bucket::default(), Mutex::default());
        Ok(WebAccess { path, is_tls, in_force: Mutex::new(in_force), users, bucket, told })
    }

    /// Whether TLS is spoken: that does not change while the service runs.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether whoever asks has to say who they are, by a password or by a certificate.
    pub fn authenticates(&self) -> bool {
        let config = self.in_force.lock().config.clone();
        let is_verified = config.tls_server_config.client_auth_type == ClientAuth::RequireAndVerifyClientCert;
        is_verified || !config.basic_auth_users.is_empty()
    }

    /// What the file says now.
    fn now(&self) -> Result<InForce, String> {
        let before = self.in_force.lock().clone();
        match InForce::read(&self.path, Some(&before)) {
            Ok(read) => {
                *self.in_force.lock() = read.clone();
                Ok(read)
            }
            Err(e) => {
                let mut told = self.told.lock();
                if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                    *told = Some(Stopwatch::start());
                    tracing::error!(error = e, "the web configuration is not good; nobody is served until it is");
                }
                Err(e)
            }
        }
    }

    /// The configuration of TLS for a connection.
    ///
    /// # Errors
    /// The file is not good now, or asks for no TLS any more.
    pub fn tls(&self) -> Result<Arc<ServerConfig>, String> {
        let tls = self.now()?.tls.ok_or("the web configuration asks for no TLS any more")?;
        Ok(tls.config())
    }
}

/// Lets those in who may come in, and sets the headers that are asked for.
pub async fn guard(State(access): State<Arc<WebAccess>>, request: Request, next: Next) -> Response {
    let reading = access.clone();
    let read = tokio::task::spawn_blocking(move || reading.now()).await;
    let Ok(Ok(InForce { config, .. })) = read else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n").into_response();
    };
    if !access.bucket.takes(&config.rate_limit) {
        let mut response = (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n").into_response();
        set_headers(&config, response.headers_mut());
        return response;
    }
    let mut response = match access.users.admits(&config, request.headers()).await {
        true => next.run(request).await,
        false => {
            let basic = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))];
            (StatusCode::UNAUTHORIZED, basic, "Unauthorized\n").into_response()
        }
    };
    set_headers(&config, response.headers_mut());
    response
}

fn set_headers(config: &WebConfig, headers: &mut HeaderMap) {
    for (name, value) in config.http_server_config.headers.iter().filter(|(_, value)| !value.is_empty()) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
