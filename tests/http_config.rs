//! `http_config` has effect, all of it: OAuth 2.0, proxies, certificates as they are found in the field.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use watchbell::config::http::HttpClientConfig;
use watchbell::config::yaml::{Decode, Decoder};
use watchbell::net::{self, HttpClient, HttpSettings};

use crate::support::http::{Request, answer, serve, serve_as, tls_file};

type Seen = Arc<Mutex<Vec<Request>>>;

fn config(text: &str) -> HttpClientConfig {
    let decoder = Decoder::new("c.yml", text);
    let config = decoder.document().and_then(|node| HttpClientConfig::decode(&node, &decoder));
    assert_eq!(decoder.defect_count(), 0, "{:?}", decoder.into_diagnostics());
    config.unwrap()
}

fn client(text: &str) -> HttpClient {
    HttpClient::new(&HttpSettings::from(&config(text))).unwrap()
}

async fn get(client: &HttpClient, url: &str) -> Result<u16, String> {
    let request = client.request(Method::GET, url).map_err(|e| e.to_string())?;
    client.send(request).await.map(|r| r.status().as_u16()).map_err(|e| e.to_string())
}

/// A server that notes what it is asked, and answers as told by how often it was asked before.
fn noting(respond: impl Fn(usize, &Request) -> (u16, String) + Send + Sync + 'static) -> (String, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let address = serve(false, move |request| {
        let mut notes = notes.lock().unwrap();
        let (status, body) = respond(notes.len(), &request);
        notes.push(request);
        Some(answer(status, &[("Content-Type", "application/json")], body))
    });
    (address, seen)
}

fn form(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn token(n: usize) -> String {
    format!(r#"{{"access_token":"t{n}","token_type":"bearer","expires_in":3600}}"#)
}

#[tokio::test]
async fn a_token_is_had_once_and_again_when_it_is_refused() {
    let (tokens, asked) = noting(|n, _| (200, token(n)));
    // The third request finds its token revoked.
    let (target, seen) = noting(|n, _| (if n == 2 { 401 } else { 200 }, String::new()));
    let client = client(&format!(
        "oauth2: {{client_id: 'me & you', client_secret: 's%cret', scopes: [a, b], token_url: 'http://{tokens}/t',
         endpoint_params: {{audience: pages}}}}"
    ));
    for _ in 0..3 {
        assert_eq!(get(&client, &format!("http://{target}/")).await, Ok(200));
    }
    let headers: Vec<String> = seen.lock().unwrap().iter().map(|r| r.header("authorization").to_owned()).collect();
    assert_eq!(headers, ["Bearer t0", "Bearer t0", "Bearer t0", "Bearer t1"]);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    use base64::Engine;
    let basic = base64::engine::general_purpose::STANDARD.encode("me+%26+you:s%25cret");
    assert_eq!(asked[0].header("authorization"), format!("Basic {basic}"));
    let want = [("grant_type", "client_credentials"), ("scope", "a b"), ("audience", "pages")];
    assert_eq!(form(&asked[0]), want.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[tokio::test]
async fn a_token_server_that_takes_no_header_gets_the_secret_in_the_form_and_a_new_secret_a_new_token() {
    let (tokens, asked) = noting(|n, r| {
        if form(r).iter().any(|(name, _)| name == "client_secret") { (200, token(n)) } else { (401, "{}".into()) }
    });
    let (target, _) = noting(|_, _| (200, String::new()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "one\n").unwrap();
    let client = client(&format!(
        "oauth2: {{client_id: me, client_secret_file: '{}', token_url: 'http://{tokens}/'}}",
        file.display()
    ));
    let url = format!("http://{target}/");
    assert_eq!(get(&client, &url).await, Ok(200));
    std::fs::write(&file, "two").unwrap();
    assert_eq!(get(&client, &url).await, Ok(200));
    let secret = |r: &Request| form(r).into_iter().find(|(n, _)| n == "client_secret").map(|(_, v)| v);
    let secrets: Vec<Option<String>> = asked.lock().unwrap().iter().map(secret).collect();
    assert_eq!(secrets, [None, Some("one".into()), Some("two".into())]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_reason_tells_no_secret() {
    let (tokens, _) = noting(|_, _| (400, r#"{"error":"invalid_client"}"#.into()));
    let (target, seen) = noting(|_, _| (200, String::new()));
    let client = client(&format!("oauth2: {{client_id: me, client_secret: hunter2, token_url: 'http://{tokens}/'}}"));
    let error = get(&client, &format!("http://{target}/")).await.unwrap_err();
    assert!(error.contains("cannot fetch token") && error.contains("invalid_client"), "{error}");
    assert!(!error.contains("hunter2") && seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_for_a_token_that_does_not_come_through_is_named() {
    let closed = format!("127.0.0.1:{}", crate::support::peers::free_port());
    let client = client(&format!("oauth2: {{client_id: me, client_secret: s, token_url: 'http://u:pw@{closed}/t'}}"));
    let error = get(&client, "http://127.0.0.1:1/").await.unwrap_err();
    assert!(error.starts_with("Post \"http://") && error.contains(&format!("{closed}/t\": ")), "{error}");
    assert!(!error.contains("pw@") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_signed_assertion_stands_for_a_secret() {
    use base64::Engine;
    let (tokens, asked) = noting(|n, _| (200, token(n)));
    let (target, seen) = noting(|_, _| (200, String::new()));
    let client = client(&format!(
        "oauth2: {{client_id: me, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', iss: us, scopes: [a],
         client_certificate_key_file: '{}', client_certificate_key_id: k1, claims: {{team: ml}}, token_url: 'http://{tokens}/'}}",
        tls_file("rsa.key").display()
    ));
    assert_eq!(get(&client, &format!("http://{target}/")).await, Ok(200));
    assert_eq!(seen.lock().unwrap()[0].header("authorization"), "Bearer t0");
    let form = form(&asked.lock().unwrap()[0]);
    assert!(form.contains(&("scope".to_owned(), "a".to_owned())), "{form:?}");
    let assertion = &form.iter().find(|(n, _)| n == "assertion").unwrap().1;
    let parts: Vec<&str> = assertion.split('.').collect();
    let json = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(json(parts[0]), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let claims = json(parts[1]);
    assert_eq!((&claims["iss"], &claims["team"], &claims["scope"]), (&"us".into(), &"ml".into(), &"a".into()));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    assert!(parts[2].len() > 300);
}

#[tokio::test]
async fn plain_requests_go_through_the_proxy_and_tunnels_carry_its_headers() {
    let (proxy, seen) = noting(|_, r| (if r.line.starts_with("CONNECT") { 502 } else { 200 }, String::new()));
    let client = client(&format!(
        "{{proxy_url: 'http://me:pass@{proxy}', no_proxy: 'direct.test', proxy_connect_header: {{X-Tunnel: [open]}}}}"
    ));
    assert_eq!(get(&client, "http://away.test/x").await, Ok(200));
    assert!(get(&client, "https://away.test/x").await.is_err());
    assert!(get(&client, "http://direct.test/").await.is_err());
    let seen = seen.lock().unwrap();
    let lines: Vec<&str> = seen.iter().map(|r| r.line.as_str()).collect();
    assert_eq!(lines, ["GET http://away.test/x HTTP/1.1", "CONNECT away.test:443 HTTP/1.1"]);
    assert_eq!((seen[0].header("x-tunnel"), seen[1].header("x-tunnel")), ("", "open"));
    assert!(seen.iter().all(|r| r.header("proxy-authorization") == "Basic bWU6cGFzcw=="), "{seen:?}");
}

/// A SOCKS proxy for one connection: answers itself for whatever it is asked to reach, and tells what that was.
fn socks() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut read = |n: usize| {
            let mut bytes = vec![0; n];
            stream.read_exact(&mut bytes).unwrap();
            bytes
        };
        let methods = usize::from(read(2)[1]);
        read(methods);
        stream.write_all(&[5, 0]).unwrap();
        let mut read = |n: usize| {
            let mut bytes = vec![0; n];
            stream.read_exact(&mut bytes).unwrap();
            bytes
        };
        // A name: its length, itself, the port.
        assert_eq!(read(4), [5, 1, 0, 3]);
        let length = usize::from(read(1)[0]);
        let name = String::from_utf8(read(length)).unwrap();
        read(2);
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        name
    });
    (address, asked)
}

#[tokio::test]
async fn socks_proxies_are_asked_for_names() {
    for scheme in ["socks5", "socks5h"] {
        let (proxy, asked) = socks();
        assert_eq!(get(&client(&format!("proxy_url: '{scheme}://{proxy}'")), "http://away.test/").await, Ok(200));
        assert_eq!(asked.join().unwrap(), "away.test");
    }
}

fn identity(name: &str) -> Arc<rustls::sign::SingleCertAndKey> {
    let chain = CertificateDer::pem_file_iter(tls_file(&format!("{name}.pem"))).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(tls_file(&format!("{name}.key"))).unwrap();
    let key = rustls::crypto::ring::default_provider().key_provider.load_private_key(key).unwrap();
    Arc::new(rustls::sign::CertifiedKey::new(chain, key).into())
}

/// Takes whatever certificate a client shows, and keeps it.
#[derive(Debug, Default)]
struct Shown(Mutex<Vec<Vec<u8>>>);

impl rustls::server::danger::ClientCertVerifier for Shown {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::server::danger::ClientCertVerified, rustls::Error> {
        self.0.lock().unwrap().push(end_entity.to_vec());
        Ok(rustls::server::danger::ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A server over TLS that shows a certificate and asks for one.
fn tls_server(name: &str, version: &'static rustls::SupportedProtocolVersion) -> (String, Arc<Shown>) {
    let shown = Arc::new(Shown::default());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(shown.clone())
        .with_cert_resolver(identity(name));
    (serve_as(Some(Arc::new(config)), |_| Some(answer(200, &[], ""))), shown)
}

/// A configuration with a client's certificate, of version 1, in the place of `IDENTITY`.
fn with_identity(text: &str) -> String {
    let (cert, key) = (tls_file("v1.pem"), tls_file("v1.key"));
    text.replace("IDENTITY", &format!("cert_file: '{}', key_file: '{}'", cert.display(), key.display()))
}

#[tokio::test]
async fn a_servers_own_certificate_in_ca_file_is_trusted_for_its_names() {
    let (address, _) = tls_server("own", &rustls::version::TLS13);
    let own = tls_file("own.pem").display().to_string();
    let url = format!("https://{address}/");
    let of = |name: &str| with_identity(&format!("tls_config: {{ca_file: '{own}', server_name: '{name}', IDENTITY}}"));
    assert_eq!(get(&client(&of("exporter.internal")), &url).await, Ok(200));
    let error = get(&client(&of("other.internal")), &url).await.unwrap_err();
    assert!(error.contains("certificate not valid for name"), "{error}");
    // Another server that calls itself an authority is nobody.
    let (other, _) = tls_server("v1", &rustls::version::TLS13);
    assert!(get(&client(&of("exporter.internal")), &format!("https://{other}/")).await.is_err());
}

#[tokio::test]
async fn certificates_of_version_1_are_shown_and_where_nobody_is_checked_taken() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (address, shown) = tls_server("v1", version);
        let client = client(&with_identity("tls_config: {insecure_skip_verify: true, IDENTITY}"));
        assert_eq!(get(&client, &format!("https://{address}/")).await, Ok(200), "{version:?}");
        let own = CertificateDer::from_pem_file(tls_file("v1.pem")).unwrap();
        assert_eq!(*shown.0.lock().unwrap(), [own.to_vec()]);
    }
}

#[tokio::test]
async fn replaced_certificates_count_from_the_next_request_on() {
    let (address, _) = tls_server("own", &rustls::version::TLS13);
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::copy(tls_file("ca.pem"), &ca).unwrap();
    let text = format!("tls_config: {{ca_file: '{}', server_name: exporter.internal, IDENTITY}}", ca.display());
    let (client, url) = (client(&with_identity(&text)), format!("https://{address}/"));
    assert!(get(&client, &url).await.is_err());
    std::fs::copy(tls_file("own.pem"), &ca).unwrap();
    assert_eq!(get(&client, &url).await, Ok(200));
    // What cannot be used changes nothing.
    std::fs::write(&ca, "half").unwrap();
    assert_eq!(get(&client, &url).await, Ok(200));
}

fn defect(text: &str) -> String {
    net::check(&config(text)).expect_err(text).to_string()
}

#[test]
fn what_keeps_a_client_from_being_built_is_told_with_its_place() {
    let missing = |key: &str| format!("tls_config:\n  insecure_skip_verify: false\n  {key}: none.pem\n");
    for (text, want) in [
        (missing("ca_file"), "c.yml:3:12: unable to read file none.pem"),
        ("basic_auth:\n  username: me\n  password_ref: x".into(), "c.yml:3:17: password_ref: cannot use a secret"),
        ("tls_config: {ca_ref: x}".into(), "c.yml:1:22: ca_ref: cannot use a secret"),
        ("proxy_url: 'ftp://me:hunter2@x'".into(), "c.yml:1:12: URL \"ftp://me:xxxxx@x\": expected a proxy's scheme"),
        ("tls_config:\n  min_version: TLS13\n  max_version: TLS12".into(), "c.yml:2:3: TLS: max_version"),
        ("tls_config: {max_version: TLS11}".into(), "c.yml:1:13: TLS: max_version: nothing before TLS 1.2"),
        ("tls_config: {ca: 'none'}".into(), "c.yml:1:18: certificate in the configuration: no certificate"),
        ("tls_config: {server_name: 'a b'}".into(), "c.yml:1:13: TLS: \"a b\" is not a server's name"),
        ("bearer_token_file: none".into(), "c.yml:1:20: unable to read file none: no such file"),
        ("authorization: {credentials_file: none}".into(), "c.yml:1:35: unable to read file none"),
        (
            "oauth2:\n  client_id: a\n  token_url: x\n  client_secret: s".into(),
            "c.yml:3:14: URL \"x\": relative URL without a base",
        ),
        (
            "oauth2: {client_id: a, token_url: 'ftp://x'}".into(),
            "c.yml:1:35: URL \"ftp://x\": unsupported scheme \"ftp\"",
        ),
        (
            "oauth2:\n  client_id: a\n  token_url: 'http://x'\n  tls_config: {key_file: b, cert_file: none.pem}".into(),
            "c.yml:4:40: unable to read file none.pem",
        ),
        ("http_headers: {'X Y': {values: [a]}}".into(), "c.yml:1:15: header \"X Y\" is not valid"),
    ] {
        let told = defect(&text);
        assert!(told.starts_with(want), "{text}\n{told}");
    }
    let (cert, key) = (tls_file("v1.pem"), tls_file("own.key"));
    let mismatch = format!("tls_config: {{cert_file: '{}', key_file: '{}'}}", cert.display(), key.display());
    assert!(defect(&mismatch).contains("TLS: keys may not be consistent"), "{}", defect(&mismatch));
    assert!(net::check(&config(&with_identity("tls_config: {IDENTITY}"))).is_ok());
}
