//! SMTP on top of lettre's connection: STARTTLS or TLS from the first byte, and the three ways to say who we are.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands;
use lettre::transport::smtp::extension::ClientId;
use rustls_pki_types::ServerName;

use super::http::{Link, give_up, retry};
use super::message::Mail;
use super::smtp_stream::SmtpStream;
use crate::config::alertmanager::receivers::EmailConfig;
use crate::config::secret::inline_or_file;
use crate::net::{self, TlsSettings};
use crate::notify::Outcome;

const IMPLICIT_TLS_PORT: u16 = 465;
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

type SmtpError = lettre::transport::smtp::Error;

/// Sends one mail.
pub(super) async fn send(config: &EmailConfig, mail: &Mail, wire: &[u8], link: &Link<'_>) -> Outcome {
    match attempt(config, mail, wire, link).await {
        Ok(()) => Outcome::Delivered,
        Err(outcome) => outcome,
    }
}

async fn attempt(config: &EmailConfig, mail: &Mail, wire: &[u8], link: &Link<'_>) -> Result<(), Outcome> {
    let hello = ClientId::Domain(if config.hello.is_empty() { "localhost".into() } else { config.hello.clone() });
    let mut connection = connect(config, &hello).await?;
    let result = async {
        if !config.auth_username.is_empty() {
            authenticate(config, &mut connection).await?;
        }
        converse(mail, wire, link, &mut connection).await
    };
    let result = result.await;
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
    let failed = |e: &dyn std::error::Error| passing("establish connection to server", e);
    let stream = in_time(SmtpStream::connect(&host, port)).await?.map_err(|e| failed(&e))?;
    let implicit = config.force_implicit_tls.unwrap_or(port == IMPLICIT_TLS_PORT);
    if implicit {
        secure(config, &stream).await?;
    }
    let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(stream.clone()), hello);
    let mut connection = in_time(greeted).await?.map_err(|e| failed(&e))?;
    if !implicit && config.require_tls.unwrap_or(true) {
        if !connection.can_starttls() {
            connection.abort().await;
            return Err(retry(format!(
                "'require_tls' is true (default) but \"{host}:{port}\" does not advertise the STARTTLS extension"
            )));
        }
        let refused = |e: SmtpError| passing("send STARTTLS command", &e);
        connection.command(commands::Starttls).await.map_err(refused)?;
        secure(config, &stream).await?;
        // What the server said of itself in plain text counts no more.
        connection.command(commands::Ehlo::new(hello.clone())).await.map_err(refused)?;
    }
    Ok(connection)
}

/// A step of the conversation, which a server may not draw out.
async fn in_time<T>(step: impl Future<Output = T>) -> Result<T, Outcome> {
    let waited = || retry(format!("no answer within {} s", STEP_TIMEOUT.as_secs()));
    tokio::time::timeout(STEP_TIMEOUT, step).await.map_err(|_| waited())
}

/// Turns a connection to TLS, as configured.
async fn secure(config: &EmailConfig, stream: &SmtpStream) -> Result<(), Outcome> {
    let tls = config.tls_config.clone().unwrap_or_default();
    let name = if tls.server_name.is_empty() { &config.smarthost.host } else { &tls.server_name };
    let name = ServerName::try_from(name.clone()).map_err(|_| give_up(format!("{name:?} is not a server's name")))?;
    // Files may be put right.
    let client = net::tls_client(&TlsSettings::from(&tls)).map_err(|e| retry(e.to_string()))?;
    in_time(stream.turn_to_tls(client, name)).await?.map_err(|e| passing("TLS handshake", &e))
}

async fn converse(
    mail: &Mail,
    wire: &[u8],
    link: &Link<'_>,
    connection: &mut AsyncSmtpConnection,
) -> Result<(), Outcome> {
    let from = commands::Mail::new(Some(mail.sender.clone()), Vec::new());
    connection.command(from).await.map_err(|e| refused("the sender", &e))?;
    name_recipients(mail, link, connection).await?;
    connection.command(commands::Data).await.map_err(|e| refused("the mail", &e))?;
    connection.message(wire).await.map_err(|e| refused("the mail", &e)).map(drop)
}

/// Names everyone who is to get the mail. Who is refused keeps no other from getting it.
async fn name_recipients(mail: &Mail, link: &Link<'_>, connection: &mut AsyncSmtpConnection) -> Result<(), Outcome> {
    let (mut taken, mut worst) = (0, None);
    for address in &mail.recipients {
        let error = match connection.command(commands::Rcpt::new(address.clone(), Vec::new())).await {
            Ok(_) => {
                taken += 1;
                continue;
            }
            Err(e) => e,
        };
        if !error.is_permanent() && !error.is_transient() {
            return Err(passing("name the recipients", &error));
        }
        // Whom the server may take later is reason enough to try again when it takes nobody.
        let outcome = refused(address.as_ref(), &error);
        link.complain("to", outcome.error().unwrap_or("").to_owned());
        if !matches!(worst, Some(Outcome::Retry { .. })) {
            worst = Some(outcome);
        }
    }
    match (taken, worst) {
        (0, Some(outcome)) => Err(outcome),
        (0, None) => Err(give_up("the mail has no recipients")),
        _ => Ok(()),
    }
}

/// A refusal: for good, or for now.
fn refused(what: &str, error: &SmtpError) -> Outcome {
    let reason = format!("the server refused {what}: {}", describe(error));
    if error.is_permanent() { give_up(reason) } else { retry(reason) }
}

/// A problem that may pass.
fn passing(what: &str, error: &dyn std::error::Error) -> Outcome {
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
        .filter(|mechanism| !mechanism.is_empty())
        .collect();
    if offered.is_empty() {
        // As in Alertmanager: a relay that wants to know nobody is told nothing.
        return Ok(());
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
