//! Which alerts or silences a request wants.

use crate::config::alertmanager::matchers::parse_matcher;
use crate::model::Matcher;
use crate::server::api::Params;

use super::answer::Refusal;

/// Reads the `filter` parameters: one matcher each, such as `severity="page"` or `team=~db|web`.
pub(super) fn matchers(params: &Params) -> Result<Vec<Matcher>, Refusal> {
    params.all("filter").map(|s| parse_matcher(s).map_err(Refusal::bad)).collect()
}

/// Reads the `receiver_matchers` parameters: matchers of a receiver's labels.
pub(super) fn receiver_matchers(params: &Params) -> Result<Vec<Matcher>, Refusal> {
    let refusal = |e| Refusal::bad(format!("failed to parse receiver_matchers param: {e}"));
    params.all("receiver_matchers").map(|s| parse_matcher(s).map_err(refusal)).collect()
}

/// Reads a switch that is on unless said otherwise. Whatever is not one of go-openapi's words for yes says no.
pub(super) fn switch(params: &Params, name: &str) -> bool {
    const YES: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
    params.get(name).is_none_or(|given| YES.iter().any(|yes| given.eq_ignore_ascii_case(yes)))
}
