//! A real HTTP server whose answers a test decides: plain or over TLS, one thread a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, path and query.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer with a status and a text.
pub fn answer(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    Answer { status, headers, body: body.into() }
}

/// Serves until the process ends; gives the address. `None` from `respond` closes the connection without an answer.
pub fn serve(tls: bool, respond: impl Fn(Request) -> Option<Answer> + Send + Sync + 'static) -> String {
    serve_as(tls.then(server_config), respond)
}

/// As [`serve`], with a configuration of TLS of one's own.
pub fn serve_as(
    config: Option<Arc<rustls::ServerConfig>>,
    respond: impl Fn(Request) -> Option<Answer> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let respond = Arc::new(respond);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (respond, config) = (respond.clone(), config.clone());
            std::thread::spawn(move || connection(stream, config, &*respond));
        }
    });
    address
}

fn connection(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>, respond: &dyn Fn(Request) -> Option<Answer>) {
    match tls {
        None => {
            exchange(stream, respond);
        }
        Some(config) => {
            let connection = rustls::ServerConnection::new(config).unwrap();
            exchange(rustls::StreamOwned::new(connection, stream), respond);
        }
    }
}

/// Answers one request; an error is a client that went away or a handshake that failed, which some tests want.
fn exchange(stream: impl Read + Write, respond: &dyn Fn(Request) -> Option<Answer>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    // A client that was killed before it said anything asked for nothing.
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = respond(Request { line: line.trim().to_owned(), headers, body })?;
    let mut head =
        format!("HTTP/1.1 {} -\r\nConnection: close\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
    answer.headers.iter().for_each(|(n, v)| head.push_str(&format!("{n}: {v}\r\n")));
    let stream = reader.get_mut();
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    stream.write_all(&answer.body).ok()?;
    stream.flush().ok()
}

/// A file of the certificate for `exporter.internal`.
pub fn tls_file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

fn server_config() -> Arc<rustls::ServerConfig> {
    let chain = CertificateDer::pem_file_iter(tls_file("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}
