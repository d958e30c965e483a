//! Tokens of clouds: a machine, a workload and an application get them as Google and Azure give them, and requests have them.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use watchbell::net::cloud::{self, AzureCloud, AzureIdentity};
use watchbell::net::{Auth, HttpClient, HttpSettings, OAuth2Settings};

use crate::support::http::{Request, answer, serve};

/// A server of tokens and of what is asked for with them; and what it was asked.
fn server() -> (String, Arc<Mutex<Vec<Request>>>) {
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let memory = asked.clone();
    let address = serve(false, move |request| {
        memory.lock().unwrap().push(request);
        // Azure's machines say how long a token lasts in a text.
        let body = r#"{"access_token": "T", "token_type": "Bearer", "expires_in": "3599"}"#;
        Some(answer(200, &[("Content-Type", "application/json")], body))
    });
    (address, asked)
}

/// Asks twice with such tokens: the request for the token, and the two that have it.
fn exchange(address: &str, asked: &Mutex<Vec<Request>>, tokens: OAuth2Settings) -> Request {
    let settings = HttpSettings { auth: Some(Auth::OAuth2(Box::new(tokens))), ..HttpSettings::default() };
    let client = HttpClient::new(&settings).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for _ in 0..2 {
        let request = client.request(Method::GET, &format!("http://{address}/api")).unwrap();
        assert!(runtime.block_on(client.send(request)).unwrap().status().is_success());
    }
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    // One token is enough.
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert!(asked[1..].iter().all(|r| r.line == "GET /api HTTP/1.1" && r.header("authorization") == "Bearer T"));
    asked[0].clone()
}

#[test]
fn googles_machines_ask_their_metadata() {
    let (address, asked) = server();
    let host = address.clone();
    let variables = move |name: &str| (name == "GCE_METADATA_HOST").then(|| host.clone());
    let request = exchange(&address, &asked, cloud::google("", "scope", &variables).unwrap());
    assert_eq!(request.line, "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1");
    assert_eq!(request.header("metadata-flavor"), "Google");
}

#[test]
fn googles_service_accounts_sign_what_they_ask_for() {
    let (address, asked) = server();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.json");
    let key = std::fs::read_to_string(crate::support::http::tls_file("rsa.key")).unwrap();
    let account = serde_json::json!({
        "type": "service_account", "client_email": "a@b", "private_key": key, "private_key_id": "k",
        "token_uri": format!("http://{address}/token"),
    });
    std::fs::write(&path, account.to_string()).unwrap();
    let request = exchange(&address, &asked, cloud::google(&path.display().to_string(), "scope", &|_| None).unwrap());
    assert_eq!(request.line, "POST /token HTTP/1.1");
    let form = String::from_utf8(request.body).unwrap();
    assert!(
        form.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey"),
        "{form}"
    );
}

#[test]
fn azures_identities_ask_in_their_ways() {
    let (address, asked) = server();
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "of the cluster\n").unwrap();
    let authority = format!("http://{address}");
    let endpoint = format!("http://{address}/msi");
    let variables = |name: &str| match name {
        "AZURE_AUTHORITY_HOST" => Some(authority.clone()),
        "IDENTITY_ENDPOINT" => Some(endpoint.clone()),
        "IDENTITY_HEADER" => Some("h".to_owned()),
        _ => None,
    };
    let public = AzureCloud::named("AzurePublic").unwrap();
    let scope = "https://m/.default";
    let of = |identity: AzureIdentity| cloud::azure(public, identity, scope, &variables);
    let (tenant, client) = ("t".to_owned(), "c".to_owned());

    let machine = exchange(&address, &asked, of(AzureIdentity::Machine { client: client.clone() }));
    let want = "GET /msi?api-version=2019-08-01&resource=https%3A%2F%2Fm&client_id=c HTTP/1.1";
    assert_eq!((machine.line.as_str(), machine.header("x-identity-header")), (want, "h"));

    let workload = AzureIdentity::Workload { tenant: tenant.clone(), client: client.clone(), token };
    let workload = exchange(&address, &asked, of(workload));
    assert_eq!(workload.line, "POST /t/oauth2/v2.0/token HTTP/1.1");
    let form = String::from_utf8(workload.body).unwrap();
    assert!(form.contains("client_id=c&scope=https%3A%2F%2Fm%2F.default"), "{form}");
    assert!(form.ends_with("client_assertion=of+the+cluster"), "{form}");

    let application = exchange(&address, &asked, of(AzureIdentity::Application { tenant, client, secret: "s".into() }));
    assert_eq!(application.line, "POST /t/oauth2/v2.0/token HTTP/1.1");
    let form = String::from_utf8(application.body).unwrap();
    assert!(
        form.contains("grant_type=client_credentials") && form.contains("scope=https%3A%2F%2Fm%2F.default"),
        "{form}"
    );
}
