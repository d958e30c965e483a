//! Where external Alertmanagers are, from the configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{AlertmanagerClientConfig, RelabelConfig};
use crate::ingest::discovery::FileDiscovery;
use crate::ingest::relabel;
use crate::model::{Diagnostic, Labels};
use crate::net::{self, HttpClient, HttpSettings};
use crate::notify::alertmanagers::{Destination, SetRelabel};

/// The Alertmanagers that the sets of a configuration name now.
///
/// # Errors
/// A client cannot be built; where the set is wrong.
pub fn destinations(sets: &[AlertmanagerClientConfig]) -> Result<Vec<Destination>, Diagnostic> {
    let mut all = Vec::new();
    for set in sets {
        let client = HttpClient::new(&HttpSettings::from(&set.http)).map_err(|e| net::describe(&set.http, &e))?;
        for url in urls(set) {
            all.push(Destination {
                url,
                client: client.clone(),
                timeout: Duration::from_millis(u64::try_from(set.timeout.millis()).unwrap_or(0)),
                relabel: relabelling(&set.alert_relabel_configs),
            });
        }
    }
    Ok(all)
}

fn relabelling(rules: &[RelabelConfig]) -> Option<SetRelabel> {
    let rules = rules.to_vec();
    (!rules.is_empty()).then(|| Arc::new(move |labels: &Labels| relabel::process(labels, &rules)) as SetRelabel)
}

/// Addresses by Prometheus' rules: `__scheme__`, `__address__` and `__alerts_path__` after relabelling.
fn urls(set: &AlertmanagerClientConfig) -> Vec<String> {
    let statics = set.static_configs.iter().map(|c| (c.targets.clone(), Labels::from_pairs(c.labels.clone())));
    let mut files = FileDiscovery::new(set.file_sd_configs.iter().flat_map(|c| c.files.clone()).collect());
    for error in files.refresh() {
        tracing::warn!(error = %error, "a file of Alertmanagers could not be read");
    }
    let discovered = files.groups().map(|g| (g.targets.clone(), g.labels.clone()));
    let path = format!("{}/api/v2/alerts", set.path_prefix.trim_end_matches('/'));
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let mut urls = Vec::new();
    for (targets, labels) in statics.chain(discovered) {
        for target in targets {
            let mut builder = labels.to_builder();
            builder.set("__address__", target.as_str());
            builder.set("__scheme__", set.scheme.as_str());
            builder.set("__alerts_path__", path.as_str());
            let Some(resolved) = relabel::process(&builder.build(), &set.relabel_configs) else { continue };
            let part = |name: &str| resolved.value(name).to_owned();
            let url = format!("{}://{}{}", part("__scheme__"), part("__address__"), part("__alerts_path__"));
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn urls_follow_scheme_prefix_and_relabelling() {
        let text = "alerting:\n  alertmanagers:\n    - scheme: https\n      path_prefix: /am/\n      static_configs: [{targets: ['a:1', 'b:2']}]\n      \
                    relabel_configs: [{source_labels: [__address__], regex: 'b:.*', action: drop}]\n    \
                    - static_configs: [{targets: ['c:3']}]\n";
        let config = Config::load_str("t", text, &|_| None).unwrap().config;
        let all: Vec<String> = config.alerting.alertmanagers.iter().flat_map(urls).collect();
        assert_eq!(all, ["https://a:1/am/api/v2/alerts", "http://c:3/api/v2/alerts"]);
        assert_eq!(destinations(&config.alerting.alertmanagers).unwrap().len(), 2);
    }
}
