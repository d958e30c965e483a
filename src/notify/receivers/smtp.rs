//! SMTP on top of lettre's connection: STARTTLS or TLS from the first byte, and the three ways to say who we are.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, Identity, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::http::{give_up, retry};
use crate::config::alertmanager::receivers::EmailConfig;
use crate::config::http::TlsConfig;
use crate::config::secret::inline_or_file;
use crate::notify::Outcome;

const IMPLICIT_TLS_PORT: u16 = 465;
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

type SmtpError = lettre::transport::smtp::Error;

/// Sends one mail.
pub(super) async fn send(config: &EmailConfig, mail: &lettre::Message) -> Outcome {
    match attempt(config, mail).await {
        Ok(()) => Outcome::Delivered,
        Err(outcome) => outcome,
    }
}

async fn attempt(config: &EmailConfig, mail: &lettre::Message) -> Result<(), Outcome> {
    let hello = ClientId::Domain(if config.hello.is_empty() { "localhost".into() } else { config.hello.clone() });
    let mut connection = connect(config, &hello).await?;
    let result = converse(config, mail, &mut connection).await;
    // The mail is accepted or refused by now; how the server takes its leave changes nothing.
    let _ = connection.quit().await;
    result
}

async fn connect(config: &EmailConfig, hello: &ClientId) -> Result<AsyncSmtpConnection, Outcome> {
    let host = config.smarthost.host.clone();
    let port: u16 = match config.smarthost.port.as_str() {
        "smtp" => 25,
        "smtps" | "submissions" => IMPLICIT_TLS_PORT,
        "submission" => 587,
        number => number.parse().map_err(|_| give_up(format!("smarthost: {number:?} is no port")))?,
    };
    let tls = config.tls_config.clone().unwrap_or_default();
    let implicit = config.force_implicit_tls.unwrap_or(port == IMPLICIT_TLS_PORT);
    let parameters = || tls_parameters(&tls, &host).map_err(retry);
    let first = if implicit { Some(parameters()?) } else { None };
    let connecting = AsyncSmtpConnection::connect_tokio1((host.as_str(), port), Some(STEP_TIMEOUT), hello, first, None);
    let mut connection = connecting.await.map_err(|e| passing("establish connection to server", &e))?;
    if !implicit && config.require_tls.unwrap_or(true) {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(retry(format!(
                "'require_tls' is true (default) but \"{host}:{port}\" does not advertise the STARTTLS extension"
            )));
        }
        connection.starttls(parameters()?, hello).await.map_err(|e| passing("send STARTTLS command", &e))?;
    }
    Ok(connection)
}

async fn converse(
    config: &EmailConfig,
    mail: &lettre::Message,
    connection: &mut AsyncSmtpConnection,
) -> Result<(), Outcome> {
    if !config.auth_username.is_empty() {
        authenticate(config, connection).await?;
    }
    match connection.send(mail.envelope(), &mail.formatted()).await {
        Ok(_) => Ok(()),
        Err(e) if e.is_permanent() => Err(give_up(format!("the server refused the mail: {}", describe(&e)))),
        Err(e) => Err(passing("send the mail", &e)),
    }
}

/// A problem that may pass.
fn passing(what: &str, error: &SmtpError) -> Outcome {
    retry(format!("{what}: {}", describe(error)))
}

/// An error and its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        let more = c.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = c.source();
    }
    text
}

fn tls_parameters(config: &TlsConfig, host: &str) -> Result<TlsParameters, String> {
    let name = if config.server_name.is_empty() { host } else { &config.server_name };
    let mut builder = TlsParameters::builder(name.to_owned());
    let pem = |inline: &str, file: &str| -> Result<Option<Vec<u8>>, String> {
        match (inline.is_empty(), file.is_empty()) {
            (false, _) => Ok(Some(inline.as_bytes().to_vec())),
            (true, false) => std::fs::read(file).map(Some).map_err(|e| format!("unable to read file {file}: {e}")),
            (true, true) => Ok(None),
        }
    };
    let refused = |e: SmtpError| format!("TLS: {}", describe(&e));
    if let Some(ca) = pem(&config.ca, &config.ca_file)? {
        builder = builder
            .certificate_store(lettre::transport::smtp::client::CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(&ca).map_err(refused)?);
    }
    let client = (pem(&config.cert, &config.cert_file)?, pem(config.key.expose(), &config.key_file)?);
    if let (Some(cert), Some(key)) = client {
        builder = builder.identify_with(Identity::from_pem(&cert, &key).map_err(refused)?);
    }
    builder = builder.dangerous_accept_invalid_certs(config.insecure_skip_verify);
    builder.build_rustls().map_err(refused)
}

/// A command line; its text never shows, for it carries secrets.
struct Line(String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

/// Takes the first mechanism the server offers and the configuration has a secret for.
async fn authenticate(config: &EmailConfig, connection: &mut AsyncSmtpConnection) -> Result<(), Outcome> {
    let hello = if config.hello.is_empty() { "localhost" } else { &config.hello };
    let greeting = connection.command(Line(format!("EHLO {hello}"))).await.map_err(|e| passing("EHLO", &e))?;
    let offered: Vec<String> = greeting
        .message()
        .filter_map(|line| line.to_ascii_uppercase().strip_prefix("AUTH").map(str::to_owned))
        .flat_map(|list| list.split([' ', '=']).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    if offered.is_empty() {
        return Err(retry("the server offers no authentication, and auth_username is set"));
    }
    let read = |inline, file: &str| inline_or_file(inline, file).map_err(|e| retry(e.to_string()));
    let password = read(&config.auth_password, &config.auth_password_file)?;
    let secret = read(&config.auth_secret, &config.auth_secret_file)?;
    let user = config.auth_username.as_str();
    for mechanism in &offered {
        let result = match (mechanism.as_str(), &password, &secret) {
            ("CRAM-MD5", _, Some(secret)) => cram_md5(connection, user, secret.expose()).await,
            ("PLAIN", Some(password), _) => {
                let identity = &config.auth_identity;
                let response = BASE64.encode(format!("{identity}\0{user}\0{}", password.expose()));
                connection.command(Line(format!("AUTH PLAIN {response}"))).await.map(drop)
            }
            ("LOGIN", Some(password), _) => login(connection, user, password.expose()).await,
            _ => continue,
        };
        // Credentials may be put right: worth another attempt.
        return result.map_err(|e| passing(&format!("{mechanism} authentication"), &e));
    }
    Err(retry(format!("no secret for any of the server's authentication mechanisms: {}", offered.join(" ").trim())))
}

async fn login(connection: &mut AsyncSmtpConnection, user: &str, password: &str) -> Result<(), SmtpError> {
    connection.command(Line("AUTH LOGIN".into())).await?;
    connection.command(Line(BASE64.encode(user))).await?;
    connection.command(Line(BASE64.encode(password))).await.map(drop)
}

async fn cram_md5(connection: &mut AsyncSmtpConnection, user: &str, secret: &str) -> Result<(), SmtpError> {
    let challenge = connection.command(Line("AUTH CRAM-MD5".into())).await?;
    let challenge = challenge.first_word().and_then(|c| BASE64.decode(c).ok()).unwrap_or_default();
    connection.command(Line(BASE64.encode(format!("{user} {}", cram_digest(secret, &challenge))))).await.map(drop)
}

/// The keyed digest of a challenge, in hexadecimal digits (RFC 2195).
fn cram_digest(secret: &str, challenge: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<md5::Md5>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(challenge);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_rfc() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        assert_eq!(cram_digest("tanstaaftanstaaf", challenge), "b913a602c7eda7a495b4e6e7334d3890");
    }
}
