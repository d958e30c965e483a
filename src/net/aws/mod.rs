//! Who we are for AWS, looked for where AWS' own clients look: keys of the configuration, the environment, a web identity,
//! the shared files, the container, the machine; then a role that is taken with what was found. What ends is kept until
//! then.

mod machine;
mod profile;
mod sigv4;
mod taken;

use std::time::Duration;

use reqwest::Client;
use tokio::sync::Mutex;

pub use self::profile::Variables;
pub use self::sigv4::{Credentials, FORM, Signed};
pub use self::taken::AwsError;

use self::profile::Profiles;
use self::taken::{LONGEST_ANSWER, Taken};
use super::body::read_body;
use super::error::NetError;
use crate::config::identity::SigV4Config;
use crate::config::secret::{Secret, read_file};

/// How long before their end credentials are had anew, milliseconds.
const MARGIN: i64 = 60_000;
/// How many profiles may stand behind one another.
const LONGEST_CHAIN: usize = 5;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The role somebody has taken. Held while it is taken, so that requests side by side take it once.
#[derive(Default)]
pub struct Role(Mutex<Option<Taken>>);

/// How credentials are had from somebody.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// With credentials.
    Assume { role: String, external_id: String, session: String },
    /// With the token in a file.
    WebIdentity { role: String, token_file: String, session: String },
    /// From the agent of the container that we run in.
    Container { url: String, token: Option<Secret>, token_file: String },
    /// From the machine that we run on.
    Machine { endpoint: String },
}

/// What is known without asking anybody: credentials, or none for what is asked for, and the steps in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    credentials: Option<Credentials>,
    steps: Vec<Step>,
}

/// A variable of the process' environment.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The credentials to sign with at `now`, milliseconds.
///
/// # Errors
/// There are none.
pub async fn credentials(
    sigv4: &SigV4Config,
    region: &str,
    role: &Role,
    client: &Client,
    now: i64,
    variables: Variables<'_>,
) -> Result<Credentials, AwsError> {
    // Files may be put right.
    let planned = plan(sigv4, variables).map_err(|e| AwsError::passing(format!("AWS credentials: {e}")));
    let Plan { credentials, steps } = planned?;
    let none = || AwsError::passing("AWS credentials: none");
    if steps.is_empty() {
        return credentials.ok_or_else(none);
    }
    let mut kept = role.0.lock().await;
    if let Some(taken) = kept.as_ref().filter(|taken| now + MARGIN < taken.until) {
        return Ok(taken.credentials.clone());
    }
    let sts = Sts { url: sts_url(sigv4, region, variables)?, region, client, now };
    let mut taken = credentials.map(|credentials| Taken { credentials, until: i64::MAX });
    for step in &steps {
        let found = match step {
            Step::Container { url, token, token_file } => {
                machine::of_container(client, url, token.as_ref(), token_file).await?
            }
            Step::Machine { endpoint } => machine::of_machine(client, endpoint).await?,
            step => sts.take(step, taken.as_ref().map(|t| &t.credentials)).await?,
        };
        taken = Some(found);
    }
    let taken = taken.ok_or_else(none)?;
    let credentials = taken.credentials.clone();
    *kept = Some(taken);
    Ok(credentials)
}

fn plan(sigv4: &SigV4Config, variables: Variables<'_>) -> Result<Plan, String> {
    let mut plan = base(sigv4, variables)?;
    if !sigv4.role_arn.is_empty() {
        let (role, external_id) = (sigv4.role_arn.clone(), sigv4.external_id.clone());
        plan.steps.push(Step::Assume { role, external_id, session: String::new() });
    }
    Ok(plan)
}

/// The order of AWS' clients: keys, a profile that is asked for, the environment, a web identity, the default profile.
fn base(sigv4: &SigV4Config, variables: Variables<'_>) -> Result<Plan, String> {
    if !sigv4.access_key.is_empty() {
        let (access_key, secret_key) = (sigv4.access_key.clone(), sigv4.secret_key.clone());
        return Ok(Plan {
            credentials: Some(Credentials { access_key, secret_key, session_token: None }),
            steps: vec![],
        });
    }
    let given = |name: &str| variables(name).filter(|v| !v.is_empty());
    if sigv4.profile.is_empty() {
        if let Some(credentials) = of_environment(variables) {
            return Ok(Plan { credentials: Some(credentials), steps: vec![] });
        }
        if let (Some(token_file), Some(role)) = (given("AWS_WEB_IDENTITY_TOKEN_FILE"), given("AWS_ROLE_ARN")) {
            let session = given("AWS_ROLE_SESSION_NAME").unwrap_or_default();
            return Ok(Plan { credentials: None, steps: vec![Step::WebIdentity { role, token_file, session }] });
        }
    }
    let asked = Some(sigv4.profile.clone()).filter(|p| !p.is_empty()).or_else(|| given("AWS_PROFILE"));
    let profile = asked.clone().unwrap_or_else(|| "default".into());
    let profiles = Profiles::read(variables)?;
    if !profiles.has(&profile) {
        return match (asked, of_surroundings(variables)) {
            (Some(_), _) => Err(format!("no profile {profile:?} in the shared credentials and config files")),
            (None, Some(step)) => Ok(Plan { credentials: None, steps: vec![step] }),
            (None, None) => {
                Err("none in the configuration, in the environment or in the shared credentials and config files"
                    .into())
            }
        };
    }
    of_profile(&profiles, &profile, variables, LONGEST_CHAIN)
}

/// Who the container or the machine is that we run in.
fn of_surroundings(variables: Variables<'_>) -> Option<Step> {
    let given = |name: &str| variables(name).filter(|v| !v.is_empty());
    let relative = given("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("http://169.254.170.2{path}"));
    if let Some(url) = relative.or_else(|| given("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        let token_file = given("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").unwrap_or_default();
        let token = given("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new);
        return Some(Step::Container { url, token, token_file });
    }
    let disabled = given("AWS_EC2_METADATA_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    (!disabled).then(|| Step::Machine { endpoint: machine::endpoint(variables) })
}

fn of_environment(variables: Variables<'_>) -> Option<Credentials> {
    let given = |name: &str| variables(name).filter(|v| !v.is_empty());
    Some(Credentials {
        access_key: given("AWS_ACCESS_KEY_ID")?,
        secret_key: Secret::new(given("AWS_SECRET_ACCESS_KEY")?),
        session_token: given("AWS_SESSION_TOKEN").map(Secret::new),
    })
}

/// A profile's keys, or its role and what stands behind that.
fn of_profile(profiles: &Profiles, name: &str, variables: Variables<'_>, left: usize) -> Result<Plan, String> {
    let get = |key: &str| profiles.get(name, key);
    let own = || {
        Some(Credentials {
            access_key: get("aws_access_key_id")?.to_owned(),
            secret_key: Secret::new(get("aws_secret_access_key")?),
            session_token: get("aws_session_token").map(Secret::new),
        })
    };
    let Some(role) = get("role_arn") else {
        let keys = || format!("profile {name:?} has neither keys nor a role_arn that Watchbell can take");
        return Ok(Plan { credentials: Some(own().ok_or_else(keys)?), steps: vec![] });
    };
    let session = get("role_session_name").unwrap_or_default().to_owned();
    let role = role.to_owned();
    if let Some(file) = get("web_identity_token_file") {
        let step = Step::WebIdentity { role, token_file: file.to_owned(), session };
        return Ok(Plan { credentials: None, steps: vec![step] });
    }
    let mut plan = match (get("source_profile"), get("credential_source")) {
        (Some(source), _) if source == name => Plan { credentials: own(), steps: vec![] },
        (Some(source), _) if left > 0 => of_profile(profiles, source, variables, left - 1)?,
        (Some(_), _) => return Err(format!("profile {name:?}: too many source profiles behind one another")),
        (None, Some("Environment")) => Plan { credentials: of_environment(variables), steps: vec![] },
        (None, other) => {
            let found = other.map(|o| format!(", found {o:?}")).unwrap_or_default();
            return Err(format!("profile {name:?}: expected source_profile or credential_source = Environment{found}"));
        }
    };
    if plan.credentials.is_none() && plan.steps.is_empty() {
        return Err(format!("profile {name:?}: what its role is to be taken with has no keys"));
    }
    let external_id = get("external_id").unwrap_or_default().to_owned();
    plan.steps.push(Step::Assume { role, external_id, session });
    Ok(plan)
}

fn sts_url(sigv4: &SigV4Config, region: &str, variables: Variables<'_>) -> Result<url::Url, AwsError> {
    let given = |name: &str| variables(name).filter(|v| !v.is_empty());
    let host = if sigv4.use_fips_sts_endpoint { "sts-fips" } else { "sts" };
    let usual = || format!("https://{host}.{region}.{}/", domain(region));
    let text = given("AWS_ENDPOINT_URL_STS").or_else(|| given("AWS_ENDPOINT_URL")).unwrap_or_else(usual);
    url::Url::parse(&text).map_err(|_| AwsError::lasting("the endpoint of STS is not a valid URL"))
}

/// The domain of a region's services.
pub fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// The service that gives roles.
struct Sts<'a> {
    url: url::Url,
    region: &'a str,
    client: &'a Client,
    now: i64,
}

impl Sts<'_> {
    async fn take(&self, step: &Step, with: Option<&Credentials>) -> Result<Taken, AwsError> {
        let (action, role, session) = match step {
            Step::Assume { role, session, .. } => ("AssumeRole", role, session),
            Step::WebIdentity { role, session, .. } => ("AssumeRoleWithWebIdentity", role, session),
            Step::Container { .. } | Step::Machine { .. } => return Err(AwsError::lasting("not a role")),
        };
        let session = if session.is_empty() { format!("watchbell-{}", self.now) } else { session.clone() };
        let mut form =
            vec![("Action", action), ("Version", "2011-06-15"), ("RoleArn", role), ("RoleSessionName", &session)];
        let token;
        let signer = match step {
            Step::WebIdentity { token_file, .. } => {
                token = read_file(token_file).map_err(|e| AwsError::passing(e.to_string()))?;
                form.push(("WebIdentityToken", token.expose()));
                None
            }
            _ => {
                if let Step::Assume { external_id, .. } = step {
                    form.extend((!external_id.is_empty()).then_some(("ExternalId", external_id.as_str())));
                }
                form.push(("DurationSeconds", "900"));
                Some(with.ok_or_else(|| AwsError::passing("AWS credentials: none to take a role with"))?)
            }
        };
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer =
            self.post(signer, body).await.map_err(|e| AwsError { reason: format!("{action}: {}", e.reason), ..e })?;
        let field = |name: &str| {
            let missing = || AwsError::passing(format!("{action}: expected {name} in the answer of STS"));
            element(&answer, name).ok_or_else(missing)
        };
        let until = chrono::DateTime::parse_from_rfc3339(&field("Expiration")?);
        Ok(Taken {
            credentials: Credentials {
                access_key: field("AccessKeyId")?,
                secret_key: Secret::new(field("SecretAccessKey")?),
                session_token: Some(Secret::new(field("SessionToken")?)),
            },
            until: until.map_or(self.now, |at| at.timestamp_millis()),
        })
    }

    async fn post(&self, signer: Option<&Credentials>, body: String) -> Result<String, AwsError> {
        let mut request = self.client.post(self.url.clone()).header("Content-Type", FORM).timeout(PATIENCE);
        if let Some(credentials) = signer {
            let signed = Signed::form(credentials, self.region, "sts", &self.url, &body, self.now);
            for (name, value) in signed.headers() {
                request = request.header(name, value);
            }
        }
        let sent = request.body(body).send().await;
        let response = sent.map_err(|e| AwsError::passing(NetError::from(e).to_string()))?;
        let status = response.status().as_u16();
        let after = response
            .headers()
            .get("Retry-After")
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.trim().parse::<u32>().ok());
        let said = read_body(response, LONGEST_ANSWER).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        match status {
            200..300 => Ok(said),
            status => {
                let quote: String = said.trim().chars().take(300).collect();
                let reason = format!("unexpected status code {status}: {quote}");
                let after = after.map(|seconds| i64::from(seconds) * 1000);
                Err(AwsError { passes: status >= 500 || status == 429, after, reason })
            }
        }
    }
}

/// The text of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
}

/// The region the environment or the profile names.
pub fn region(sigv4: &SigV4Config, variables: Variables<'_>) -> Option<String> {
    let given = |name: &str| variables(name).filter(|v| !v.is_empty());
    let profile = Some(sigv4.profile.clone()).filter(|p| !p.is_empty()).or_else(|| given("AWS_PROFILE"));
    given("AWS_REGION").or_else(|| given("AWS_DEFAULT_REGION")).or_else(|| {
        Some(Profiles::read(variables).ok()?.get(&profile.unwrap_or_else(|| "default".into()), "region")?.to_owned())
    })
}

/// The region that is configured, or that the environment names, or that the machine is in.
///
/// # Errors
/// None of them says.
pub async fn region_of(sigv4: &SigV4Config, client: &Client, variables: Variables<'_>) -> Result<String, AwsError> {
    if !sigv4.region.is_empty() {
        return Ok(sigv4.region.clone());
    }
    match region(sigv4, variables) {
        Some(region) => Ok(region),
        None => machine::region(client, &machine::endpoint(variables)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(access_key: &str) -> Option<Credentials> {
        Some(Credentials { access_key: access_key.into(), secret_key: Secret::new("s"), session_token: None })
    }

    #[test]
    fn credentials_are_looked_for_in_the_order_of_awss_clients() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let text = "[default]\naws_access_key_id=D\naws_secret_access_key=s\n[base]\naws_access_key_id=B\naws_secret_access_key=s\n\
                    [ops]\nrole_arn=arn:ops\nsource_profile=base\nexternal_id=x\n[web]\nrole_arn=arn:web\nweb_identity_token_file=/t\n\
                    [loop]\nrole_arn=a\nsource_profile=loop2\n[loop2]\nrole_arn=a\nsource_profile=loop\n[sso]\nsso_session=x\n";
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let environment = |more: &'static [(&'static str, &'static str)]| {
            let file = file.clone();
            move |name: &str| match name {
                "AWS_SHARED_CREDENTIALS_FILE" => Some(file.clone()),
                _ => more.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()),
            }
        };
        let of = |profile: &str, more| {
            let sigv4 = SigV4Config { profile: profile.into(), ..SigV4Config::default() };
            plan(&sigv4, &environment(more))
        };
        let assume =
            |role: &str, id: &str| Step::Assume { role: role.into(), external_id: id.into(), session: String::new() };
        let web = |role: &str| Step::WebIdentity { role: role.into(), token_file: "/t".into(), session: String::new() };
        let keys_of_environment = &[("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert_eq!(of("", keys_of_environment), Ok(Plan { credentials: keys("E"), steps: vec![] }));
        assert_eq!(of("base", keys_of_environment), Ok(Plan { credentials: keys("B"), steps: vec![] }));
        assert_eq!(of("", &[]), Ok(Plan { credentials: keys("D"), steps: vec![] }));
        assert_eq!(
            of("", &[("AWS_PROFILE", "ops")]),
            Ok(Plan { credentials: keys("B"), steps: vec![assume("arn:ops", "x")] })
        );
        let identity = &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:pod")];
        assert_eq!(of("", identity), Ok(Plan { credentials: None, steps: vec![web("arn:pod")] }));
        assert_eq!(of("web", &[]), Ok(Plan { credentials: None, steps: vec![web("arn:web")] }));
        for (profile, why) in [("none", "no profile \"none\""), ("loop", "too many"), ("sso", "neither keys nor")] {
            let error = of(profile, &[]).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        // A role of the configuration comes last.
        let sigv4 = SigV4Config { profile: "ops".into(), role_arn: "arn:own".into(), ..SigV4Config::default() };
        let steps = plan(&sigv4, &environment(&[])).unwrap().steps;
        assert_eq!(steps, [assume("arn:ops", "x"), assume("arn:own", "")]);
    }

    #[test]
    fn elements_of_an_answer() {
        let xml = "<a><SessionToken> x&amp;y </SessionToken></a>";
        assert_eq!(element(xml, "SessionToken").as_deref(), Some("x&y"));
        assert_eq!(element(xml, "Expiration"), None);
    }
}
