//! The connections of one client: how they are made, and that they are made anew when certificates are replaced.

use std::path::PathBuf;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::error::NetError;
use super::proxy::{ProxySettings, proxies};
use super::tls::{self, TlsSettings};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How connections are made.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub tls: TlsSettings,
    pub proxy: ProxySettings,
    pub http2: bool,
    pub unix_socket: Option<PathBuf>,
}

/// A client of reqwest, built anew when a file that TLS needs has changed.
pub(super) struct Connections {
    way: Way,
    /// The files' state and the client that was built from it.
    current: ArcSwap<(u64, reqwest::Client)>,
}

impl Connections {
    /// # Errors
    /// A file that TLS needs cannot be read, or a proxy cannot be used.
    pub fn new(way: Way) -> Result<Self, NetError> {
        let files = way.tls.files_now();
        let client = build(&way)?;
        Ok(Connections { way, current: ArcSwap::from_pointee((files, client)) })
    }

    /// The client as it was built last.
    pub fn as_built(&self) -> reqwest::Client {
        self.current.load().1.clone()
    }

    /// The client for the next request. Files that are replaced count from then on, as in Prometheus; where they cannot
    /// be used, which is told once, the connections go on with what was there before.
    pub fn client(&self) -> reqwest::Client {
        let current = self.current.load();
        let files = self.way.tls.files_now();
        if files == current.0 {
            return current.1.clone();
        }
        let client = match build(&self.way) {
            Ok(client) => client,
            Err(e) => {
                tracing::error!(error = %e, "replaced TLS files cannot be used; the former ones stay in force");
                current.1.clone()
            }
        };
        self.current.store((files, client.clone()).into());
        client
    }
}

fn build(way: &Way) -> Result<reqwest::Client, NetError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("Watchbell/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // Redirects are followed by `send`, which knows what must not go along.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Bodies are decompressed by us, so that limits hold for what comes out.
        .no_gzip()
        // Which proxy, and whether the environment's, is decided by `proxies`.
        .no_proxy()
        .tls_backend_preconfigured(tls::client_config(&way.tls, way.http2)?);
    if !way.http2 {
        builder = builder.http1_only();
    }
    if let Some(socket) = &way.unix_socket {
        builder = builder.unix_socket(socket.as_path());
    }
    for proxy in proxies(&way.proxy)? {
        builder = builder.proxy(proxy);
    }
    Ok(builder.build()?)
}
