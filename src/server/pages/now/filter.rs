//! What of the alerts is asked for: by matchers, by receiver, by text, by whether it is muted. All of it stands in the URL.

use crate::config::alertmanager::matchers::parse_matchers;
use crate::model::{Labels, MatchOp, Matcher, re2};
use crate::routing::AlertStatus;
use crate::routing::alerts::AlertRow;
use crate::server::api::Params;
use crate::server::pages::{alert_text, links};

/// Which alerts are wanted.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Wanted {
    /// The matchers, as they were written.
    pub filter: String,
    matchers: Vec<Matcher>,
    /// The pattern of receivers, as it was written.
    pub receiver: String,
    receivers: Option<Matcher>,
    /// The one group that is asked for, by its labels' fingerprint; empty for all.
    pub group: String,
    /// The text.
    pub text: String,
    lower: String,
    /// `active`, `suppressed`, or nothing for both.
    pub state: String,
    /// What is not wanted, as links to Alertmanager's page say it.
    without: Vec<&'static str>,
    /// The page, from 0.
    pub page: usize,
}

/// How a URL names a group: its labels may be none, and then no matcher tells it from others.
pub(in crate::server) fn group_id(labels: &Labels) -> String {
    format!("{:016x}", labels.fingerprint())
}

/// The switches of links to Alertmanager's page.
const SWITCHES: [&str; 5] = ["silenced", "inhibited", "muted", "active", "unprocessed"];

impl Wanted {
    /// What the parameters ask for.
    ///
    /// # Errors
    /// What of it cannot be read; `Wanted` has what was written.
    pub fn of(params: &Params) -> (Wanted, Option<String>) {
        let text = |name: &str| params.get(name).unwrap_or("").trim().to_owned();
        let filters: Vec<&str> = params.all("filter").map(str::trim).filter(|f| !f.is_empty()).collect();
        let mut wanted = Wanted {
            filter: filters.join(", "),
            receiver: text("receiver"),
            group: text("group"),
            text: text("q"),
            lower: text("q").to_lowercase(),
            state: text("state"),
            without: SWITCHES.into_iter().filter(|name| params.get(name) == Some("false")).collect(),
            page: text("page").parse().map_or(0, |page: usize| page.saturating_sub(1)),
            ..Wanted::default()
        };
        let wrong = re2::within_budget(|| wanted.read(&filters)).err();
        (wanted, wrong)
    }

    fn read(&mut self, filters: &[&str]) -> Result<(), String> {
        for filter in filters {
            self.matchers.extend(parse_matchers(filter)?);
        }
        if !self.receiver.is_empty() {
            self.receivers = Some(Matcher::of_alerts(MatchOp::Regex, "receiver", self.receiver.as_str())?);
        }
        Ok(())
    }

    /// Whether anything is left out.
    pub fn is_all(&self) -> bool {
        let all = [&self.filter, &self.receiver, &self.group, &self.text, &self.state];
        all.into_iter().all(String::is_empty) && self.without.is_empty()
    }

    /// Whether a receiver is asked for.
    pub fn is_receiver(&self, name: &str) -> bool {
        self.receivers.as_ref().is_none_or(|m| m.matches(name))
    }

    /// Whether a group of these labels is asked for.
    pub fn is_group(&self, labels: &Labels) -> bool {
        self.group.is_empty() || self.group == group_id(labels)
    }

    /// Whether an alert fires and is one that is asked for.
    pub fn speaks_of(&self, row: &AlertRow, now: i64) -> bool {
        !row.alert.is_resolved(now) && self.matches(&row.alert.labels, &row.alert.annotations)
    }

    /// Whether labels and annotations are those of an alert that is asked for.
    pub fn matches(&self, labels: &Labels, annotations: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.value(&m.name)))
            && alert_text::has_text(labels, annotations, &self.lower)
    }

    /// Whether what mutes an alert is as asked for.
    pub fn is_content(&self, status: &AlertStatus) -> bool {
        let without = |name: &str| self.without.contains(&name);
        let in_state = match self.state.as_str() {
            "active" => !status.is_muted(),
            "suppressed" => status.is_muted(),
            _ => true,
        };
        in_state
            && (status.is_muted() || !without("active"))
            && (status.silenced_by.is_empty() || !without("silenced"))
            && (status.inhibited_by.is_empty() || !without("inhibited"))
            && (status.muted_by.is_empty() || !without("muted"))
    }

    /// The query string that asks for the same, at a page from 0.
    pub fn query(&self, page: usize) -> String {
        let page = if page > 0 { (page + 1).to_string() } else { String::new() };
        let mut all = vec![
            ("filter", self.filter.as_str()),
            ("receiver", &self.receiver),
            ("group", &self.group),
            ("q", &self.text),
            ("state", &self.state),
            ("page", &page),
        ];
        all.extend(self.without.iter().map(|name| (*name, "false")));
        links::query(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> (Wanted, Option<String>) {
        Wanted::of(&Params::from_pairs(pairs))
    }

    #[test]
    fn what_alertmanagers_links_say_is_understood() {
        let link = [
            ("silenced", "false"),
            ("inhibited", "false"),
            ("active", "true"),
            ("filter", r#"{alertname="A b",team=~"x|y"}"#),
            ("receiver", "team-.*"),
        ];
        let (wanted, wrong) = wanted(&link);
        assert_eq!((wrong, wanted.matchers.len(), wanted.is_all()), (None, 2, false));
        assert!(wanted.is_receiver("team-x") && !wanted.is_receiver("a-team-x"));
        let silenced = AlertStatus { silenced_by: vec!["1".into()], ..AlertStatus::default() };
        assert!(wanted.is_content(&AlertStatus::default()) && !wanted.is_content(&silenced));
        let again = url::form_urlencoded::parse(wanted.query(1).as_bytes()).into_owned().collect::<Vec<_>>();
        assert!(again.contains(&("page".into(), "2".into())) && again.contains(&("silenced".into(), "false".into())));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_told_and_kept() {
        let (wanted, wrong) = wanted(&[("filter", "a=~\"(\"")]);
        assert_eq!(wanted.filter, "a=~\"(\"");
        assert!(wrong.is_some());
        assert_eq!(Wanted::of(&Params::from_pairs(&[("page", "x")])).0.page, 0);
    }
}
