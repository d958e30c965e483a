//! What Watchbell says by itself where a template cannot: what fires, of what, and since when it is known.

use super::fit::{self, Limit};
use crate::model::{ALERT_NAME, Labels};
use crate::template::alertmanager::{AlertData, Data};

/// Annotations that say what an alert is about, the best first.
const TELLING: [&str; 3] = ["summary", "description", "message"];

/// `[FIRING:2] HighLoad (prod critical)`: what the default subject says.
pub(super) fn title(data: &Data) -> String {
    let firing = data.alerts.iter().filter(|a| a.is_firing()).count();
    let count = if data.status == "firing" { format!(":{firing}") } else { String::new() };
    let group = values(&data.group_labels, |_| true);
    let others = values(&data.common_labels, |name| data.group_labels.get(name).is_none());
    let mut title = format!("[{}{count}] {group}", data.status.to_uppercase());
    if !others.is_empty() {
        title.push_str(&format!(" ({others})"));
    }
    title
}

/// A paragraph an alert, as many as fit, and how many others there are.
pub(super) fn listing(data: &Data, link: &str, limit: Limit) -> String {
    let markup = limit.markup;
    let mut alerts: Vec<&AlertData> = data.alerts.iter().collect();
    alerts.sort_by_key(|a| !a.is_firing());
    let mut text = String::new();
    for (told, alert) in alerts.iter().enumerate() {
        let more = markup.more(alerts.len() - told, link);
        let next = fit::append(&text, &markup.paragraph(&markup.escape(&line(alert))), markup);
        let rest = markup.more(alerts.len() - told - 1, link);
        if !limit.holds(&fit::append(&next, &rest, markup)) {
            return match text.is_empty() {
                true => fit::append(&limit.less(&more).cut(&next), &more, markup),
                false => fit::append(&text, &more, markup),
            };
        }
        text = next;
    }
    text
}

fn line(alert: &AlertData) -> String {
    let name = alert.labels.value(ALERT_NAME);
    let labels: Vec<String> =
        alert.labels.iter().filter(|(n, _)| *n != ALERT_NAME).map(|(n, v)| format!("{n}={v}")).collect();
    let state = if alert.is_firing() { "Firing" } else { "Resolved" };
    let mut line = format!("{state}: {name} {{{}}}", labels.join(", "));
    if let Some(telling) = TELLING.iter().find_map(|name| alert.annotations.get(name)) {
        line.push_str(&format!(": {telling}"));
    }
    line
}

/// The values of labels, the alert's name first.
fn values(labels: &Labels, wanted: impl Fn(&str) -> bool) -> String {
    let name = labels.iter().filter(|(n, _)| *n == ALERT_NAME);
    let others = labels.iter().filter(|(n, _)| *n != ALERT_NAME);
    name.chain(others).filter(|(n, _)| wanted(n)).map(|(_, v)| v).collect::<Vec<_>>().join(" ")
}
