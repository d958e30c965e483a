//! What the container or the machine that we run in says: whose role it has, and in which region it is.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;

use super::profile::Variables;
use super::sigv4::Credentials;
use super::taken::{AwsError, LONGEST_ANSWER, Taken};
use crate::config::secret::{Secret, read_file};
use crate::net::body::read_body;
use crate::net::error::NetError;

/// How long an answer may take: where there is no such machine nobody answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a token of the machine's may be used, seconds.
const TOKEN_LASTS: &str = "300";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl From<Found> for Taken {
    fn from(found: Found) -> Self {
        let until = found.expiration.and_then(|at| chrono::DateTime::parse_from_rfc3339(&at).ok());
        Taken {
            credentials: Credentials {
                access_key: found.access_key_id,
                secret_key: Secret::new(found.secret_access_key),
                session_token: found.token.filter(|t| !t.is_empty()).map(Secret::new),
            },
            until: until.map_or(0, |at| at.timestamp_millis()),
        }
    }
}

/// Where the machine answers.
pub(super) fn endpoint(variables: Variables<'_>) -> String {
    let given = variables("AWS_EC2_METADATA_SERVICE_ENDPOINT").filter(|v| !v.is_empty());
    given.unwrap_or_else(|| "http://169.254.169.254".into()).trim_end_matches('/').to_owned()
}

async fn ask(client: &Client, method: Method, url: &str, header: Option<(&str, &str)>) -> Result<String, AwsError> {
    let failed = |reason: String| AwsError::passing(format!("AWS metadata: {reason}"));
    let mut request = client.request(method, url).timeout(PATIENCE);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|e| failed(NetError::from(e).to_string()))?;
    let status = response.status();
    let body = read_body(response, LONGEST_ANSWER).await.map_err(|e| failed(e.to_string()))?;
    match status {
        StatusCode::OK => Ok(String::from_utf8_lossy(&body).into_owned()),
        status => Err(failed(format!("unexpected status code {status}"))),
    }
}

/// What the agent of a container gives.
pub(super) async fn of_container(
    client: &Client,
    url: &str,
    token: Option<&Secret>,
    token_file: &str,
) -> Result<Taken, AwsError> {
    let token = match token_file {
        "" => token.cloned(),
        file => Some(read_file(file).map_err(|e| AwsError::passing(e.to_string()))?),
    };
    let header = token.as_ref().map(|token| ("Authorization", token.expose()));
    parse(&ask(client, Method::GET, url, header).await?)
}

fn parse(text: &str) -> Result<Taken, AwsError> {
    let found: Found =
        serde_json::from_str(text).map_err(|_| AwsError::passing("AWS metadata: unexpected credentials"))?;
    Ok(found.into())
}

/// A token for the machine's metadata (IMDSv2).
async fn token(client: &Client, endpoint: &str) -> Result<String, AwsError> {
    let header = ("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_LASTS);
    ask(client, Method::PUT, &format!("{endpoint}/latest/api/token"), Some(header)).await
}

/// What the machine's role gives.
pub(super) async fn of_machine(client: &Client, endpoint: &str) -> Result<Taken, AwsError> {
    let token = token(client, endpoint).await?;
    let header = ("X-aws-ec2-metadata-token", token.as_str());
    let base = format!("{endpoint}/latest/meta-data/iam/security-credentials/");
    let roles = ask(client, Method::GET, &base, Some(header)).await?;
    let role = roles.lines().next().unwrap_or_default();
    parse(&ask(client, Method::GET, &format!("{base}{role}"), Some(header)).await?)
}

/// The machine's region.
pub(super) async fn region(client: &Client, endpoint: &str) -> Result<String, AwsError> {
    let token = token(client, endpoint).await?;
    let header = ("X-aws-ec2-metadata-token", token.as_str());
    ask(client, Method::GET, &format!("{endpoint}/latest/meta-data/placement/region"), Some(header)).await
}
