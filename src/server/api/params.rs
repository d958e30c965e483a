//! The parameters of a request: of its query string and, for a POST, of its form.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use url::form_urlencoded;

use crate::model::{Matcher, re2};
use crate::promql::plan::NodeKind;
use crate::promql::{CompileOptions, Features, compile};
use crate::server::error::ApiError;
use crate::server::time::{MAX_TIME, MIN_TIME, parse_duration, parse_time};

/// Name and value pairs; those of the form come first, as in Go's `Request.Form`.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

/// The most parameters a request may have.
pub const MAX_PARAMS: usize = 10_000;
/// The most selectors a request may have.
pub const MAX_SELECTORS: usize = 1_000;

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let query = request.uri().query().unwrap_or("").to_owned();
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let mut pairs = Vec::new();
        if content_type.starts_with("application/x-www-form-urlencoded") {
            let body = Bytes::from_request(request, state).await;
            let body = body.map_err(|e| ApiError::BadData(format!("error parsing form values: {}", e.body_text())))?;
            pairs.extend(form_urlencoded::parse(&body).into_owned().take(MAX_PARAMS + 1));
        }
        pairs.extend(form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX_PARAMS + 1));
        if pairs.len() > MAX_PARAMS {
            return Err(ApiError::BadData(format!("more than {MAX_PARAMS} parameters")));
        }
        Ok(Params(pairs))
    }
}

impl Params {
    /// These parameters.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Params(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The first value of a name; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A time, milliseconds.
    pub fn time(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(s) = self.get(name) else { return Ok(None) };
        parse_time(s).map(Some).map_err(|e| {
            // The instant query's own parameter is reported with its name twice, as in Prometheus.
            let why = if name == "time" { format!("invalid time value for '{name}': {e}") } else { e };
            ApiError::parameter(name, why)
        })
    }

    /// A time that must be given, milliseconds.
    pub fn required_time(&self, name: &str) -> Result<i64, ApiError> {
        let missing = || ApiError::parameter(name, "cannot parse \"\" to a valid timestamp");
        self.time(name)?.ok_or_else(missing)
    }

    /// A duration, milliseconds.
    pub fn duration(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name).map(|s| parse_duration(s).map_err(|e| ApiError::parameter(name, e))).transpose()
    }

    /// `start` and `end`, all of time when missing.
    pub fn interval(&self) -> Result<(i64, i64), ApiError> {
        let interval = |name: &str, default: i64| -> Result<i64, ApiError> {
            let Some(s) = self.get(name) else { return Ok(default) };
            let named = |e: String| ApiError::parameter(name, format!("invalid time value for '{name}': {e}"));
            parse_time(s).map_err(named)
        };
        Ok((interval("start", MIN_TIME)?, interval("end", MAX_TIME)?))
    }

    /// `limit`: the most results wanted; 0 for no limit.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let Some(s) = self.get("limit") else { return Ok(0) };
        match s.parse::<i64>() {
            Ok(n) => usize::try_from(n).map_err(|_| ApiError::parameter("limit", "limit must be non-negative")),
            Err(_) => Err(ApiError::parameter("limit", format!("strconv.Atoi: parsing {s:?}: invalid syntax"))),
        }
    }

    /// The selectors of `match[]`.
    pub fn matchers(&self, features: &Features) -> Result<Vec<Vec<Matcher>>, ApiError> {
        self.matchers_of("match[]", features)
    }

    /// The selectors of a parameter.
    pub fn matchers_of(&self, name: &str, features: &Features) -> Result<Vec<Vec<Matcher>>, ApiError> {
        if self.all(name).nth(MAX_SELECTORS).is_some() {
            return Err(ApiError::parameter(name, format!("more than {MAX_SELECTORS} selectors")));
        }
        re2::within_budget(|| self.all(name).map(|s| selector(name, s, features)).collect())
    }
}

fn selector(name: &str, text: &str, features: &Features) -> Result<Vec<Matcher>, ApiError> {
    let parameter = |e: String| ApiError::parameter(name, e);
    let plan = compile(text, &CompileOptions { features: *features }).map_err(|e| {
        match e.message.ends_with("must contain at least one non-empty matcher") {
            true => parameter("match[] must contain at least one non-empty matcher".into()),
            false => parameter(e.to_string()),
        }
    })?;
    let root = plan.nodes().get(plan.root().0 as usize).map(|n| &n.kind);
    match root {
        Some(NodeKind::Selector(s)) if s.timing.offset.is_none() && s.timing.at.is_none() => Ok(s.matchers.clone()),
        _ => Err(parameter(format!("1:1: parse error: {text:?} is not a series selector"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    #[test]
    fn selectors_are_read_and_others_refused() {
        let ok = params("match[]=up{job=\"a\"}&match[]={__name__=~\"x.*\"}").matchers(&Features::default()).unwrap();
        assert_eq!(ok.len(), 2);
        for (bad, why) in [
            ("match[]={}", "invalid parameter \"match[]\": match[] must contain at least one non-empty matcher"),
            ("match[]=up[5m]", "is not a series selector"),
            ("match[]=sum(up)", "is not a series selector"),
            ("match[]=up{", "parse error"),
        ] {
            let error = params(bad).matchers(&Features::default()).unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn selectors_are_bounded_in_number_and_by_what_their_patterns_take() {
        let many = |one: &str, n: usize| params(&vec![one; n].join("&")).matchers(&Features::default());
        assert_eq!(many("match[]=up", MAX_SELECTORS).unwrap().len(), MAX_SELECTORS);
        assert!(many("match[]=up", MAX_SELECTORS + 1).unwrap_err().to_string().contains("more than 1000 selectors"));
        let error = many("match[]={a=~\"(?:x.{900}){3}\"}", 100).unwrap_err().to_string();
        assert!(error.contains("the regular expressions of a query take more than"), "{error}");
    }

    #[test]
    fn limits_and_times_are_checked() {
        assert_eq!(params("limit=5").limit(), Ok(5));
        assert_eq!(params("").limit(), Ok(0));
        assert!(params("limit=-1").limit().is_err() && params("limit=x").limit().is_err());
        assert_eq!(params("start=1&end=2").interval(), Ok((1_000, 2_000)));
        assert_eq!(params("").interval(), Ok((MIN_TIME, MAX_TIME)));
        let error = params("time=abc").time("time").unwrap_err().to_string();
        let want =
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp";
        assert_eq!(error, want);
    }
}
