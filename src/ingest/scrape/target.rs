//! From discovered labels to a target: defaults, relabelling, checks.

use std::sync::Arc;

use super::settings::{Histograms, ScrapeSettings};
use crate::ingest::discovery::{ADDRESS, TargetGroup};
use crate::ingest::relabel;
use crate::model::{Labels, LabelsBuilder, duration};

const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const NATIVE_HISTOGRAMS: &str = "__scrape_native_histograms__";
const ALWAYS_CLASSIC_HISTOGRAMS: &str = "__always_scrape_classic_histograms__";
const TO_CUSTOM_BUCKETS: &str = "__convert_classic_histograms_to_nhcb__";
const PARAM_PREFIX: &str = "__param_";
const META_PREFIX: &str = "__meta_";
const RESERVED_PREFIX: &str = "__";

/// Something to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Labels before relabelling, defaults included.
    pub discovered: Labels,
    /// Labels that its samples get.
    pub labels: Labels,
    /// Where it is scraped, parameters included.
    pub url: String,
    /// Why it cannot be: such a target is down.
    pub impossible: Option<String>,
    /// Milliseconds between scrapes.
    pub interval: i64,
    /// Milliseconds a scrape may take.
    pub timeout: i64,
    /// What becomes of its histograms.
    pub histograms: Histograms,
}

impl Target {
    /// Identifies the target: two with the same labels and URL are one.
    pub fn hash(&self) -> u64 {
        let mut bytes = self.labels.as_bytes().to_vec();
        bytes.extend_from_slice(self.url.as_bytes());
        twox_hash::XxHash64::oneshot(0, &bytes)
    }

    /// Whether its scrapes are as often and as long, and read as those of a target of the same labels and URL.
    pub fn is_scraped_as(&self, other: &Target) -> bool {
        (self.interval, self.timeout, self.histograms) == (other.interval, other.timeout, other.histograms)
    }
}

/// What became of the targets of a pool.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// To be scraped, each once.
    pub active: Vec<Arc<Target>>,
    /// Dropped by relabelling: their discovered labels.
    pub dropped: Vec<Labels>,
    /// Refused: why.
    pub errors: Vec<String>,
}

/// Makes targets of the groups that were discovered for a pool.
pub fn resolve<'a>(settings: &ScrapeSettings, groups: impl IntoIterator<Item = &'a TargetGroup>) -> Resolved {
    let mut out = Resolved::default();
    let mut seen = std::collections::HashSet::new();
    for group in groups {
        for (i, target) in group.targets.iter().enumerate() {
            match resolve_one(settings, target, &group.labels) {
                Ok((_, Some(target))) => {
                    if seen.insert((target.labels.clone(), target.url.clone())) {
                        out.active.push(Arc::new(target));
                    }
                }
                Ok((discovered, None)) => out.dropped.push(discovered),
                Err(reason) => out.errors.push(format!("instance {i} in group {}: {reason}", group.source)),
            }
        }
    }
    out
}

/// The labels of one target before relabelling, and what becomes of it unless relabelling drops it.
fn resolve_one(settings: &ScrapeSettings, own: &Labels, group: &Labels) -> Result<(Labels, Option<Target>), String> {
    let mut labels = group.to_builder();
    for (name, value) in own.iter() {
        labels.set(name, value);
    }
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    };
    default("job", &settings.job_name);
    default(SCRAPE_INTERVAL, &duration::format(settings.scrape_interval));
    default(SCRAPE_TIMEOUT, &duration::format(settings.scrape_timeout));
    let histograms = settings.histograms();
    for (name, value) in [
        (NATIVE_HISTOGRAMS, histograms.native),
        (ALWAYS_CLASSIC_HISTOGRAMS, histograms.always_classic),
        (TO_CUSTOM_BUCKETS, histograms.to_custom_buckets),
    ] {
        default(name, if value { "true" } else { "false" });
    }
    default(METRICS_PATH, &settings.metrics_path);
    default(SCHEME, &settings.scheme);
    for (name, values) in &settings.params {
        if let Some(first) = values.first() {
            default(&format!("{PARAM_PREFIX}{name}"), first);
        }
    }
    let discovered = labels.build();
    if !relabel::process_builder(&mut labels, &settings.relabel) {
        return Ok((discovered, None));
    }
    let target = finish(settings, labels, discovered.clone())?;
    Ok((discovered, Some(target)))
}

fn finish(settings: &ScrapeSettings, mut labels: LabelsBuilder, discovered: Labels) -> Result<Target, String> {
    let address = labels.get(ADDRESS).unwrap_or("").to_owned();
    if address.is_empty() {
        return Err("no address".into());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is not a valid hostname"));
    }
    let interval = positive_duration(&labels, SCRAPE_INTERVAL, "scrape interval")?;
    let timeout = positive_duration(&labels, SCRAPE_TIMEOUT, "scrape timeout")?;
    if timeout > interval {
        let (t, i) = (labels.get(SCRAPE_TIMEOUT).unwrap_or(""), labels.get(SCRAPE_INTERVAL).unwrap_or(""));
        return Err(format!("scrape timeout cannot be greater than scrape interval ({t:?} > {i:?})"));
    }
    let histograms = Histograms {
        native: truth(&labels, NATIVE_HISTOGRAMS)?,
        always_classic: truth(&labels, ALWAYS_CLASSIC_HISTOGRAMS)?,
        to_custom_buckets: truth(&labels, TO_CUSTOM_BUCKETS)?,
    };
    let (url, impossible) = target_url(settings, &labels, &address);
    if labels.get("instance").is_none() {
        labels.set("instance", address);
    }
    labels.retain(|name, _| !name.starts_with(META_PREFIX) && !name.starts_with(RESERVED_PREFIX));
    Ok(Target { discovered, labels: labels.build(), url, impossible, interval, timeout, histograms })
}

fn positive_duration(labels: &LabelsBuilder, label: &str, what: &str) -> Result<i64, String> {
    match duration::parse(labels.get(label).unwrap_or("")) {
        Ok(0) => Err(format!("{what} cannot be 0")),
        Ok(millis) => Ok(millis),
        Err(e) => Err(format!("error parsing {what}: {e}")),
    }
}

fn truth(labels: &LabelsBuilder, label: &str) -> Result<bool, String> {
    match labels.get(label).unwrap_or("") {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("label {label} is {other:?}, expected true or false")),
    }
}

/// The target's URL, and why no request can be made of it.
fn target_url(settings: &ScrapeSettings, labels: &LabelsBuilder, address: &str) -> (String, Option<String>) {
    let scheme = labels.get(SCHEME).unwrap_or("");
    let path = labels.get(METRICS_PATH).unwrap_or("");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let params = parameters(settings, labels);
    let text = format!("{scheme}://{address}{slash}{path}");
    if scheme != "http" && scheme != "https" {
        return (text, Some(format!("unsupported protocol scheme {scheme:?}")));
    }
    let mut url = match url::Url::parse(&text) {
        Ok(url) => url,
        Err(e) => return (text, Some(format!("address {address:?}: {e}"))),
    };
    if !params.is_empty() {
        let mut query = url.query_pairs_mut();
        params.iter().for_each(|(n, v)| {
            query.append_pair(n, v);
        });
    }
    (url.into(), None)
}

/// The URL's parameters in the order of their names: configured ones, the first value of each replaced by `__param_*`.
fn parameters(settings: &ScrapeSettings, labels: &LabelsBuilder) -> Vec<(String, String)> {
    let mut all: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
    for (name, values) in &settings.params {
        all.entry(name).or_default().extend(values.iter().map(String::as_str));
    }
    for (name, value) in labels.iter() {
        let Some(name) = name.strip_prefix(PARAM_PREFIX) else { continue };
        let values = all.entry(name).or_default();
        match values.first_mut() {
            Some(first) => *first = value,
            None => values.push(value),
        }
    }
    all.into_iter().flat_map(|(n, vs)| vs.into_iter().map(move |v| (n.to_owned(), v.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::relabel::RelabelRegex;
    use crate::config::{RelabelAction, RelabelConfig};

    fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
        TargetGroup::of_addresses(targets, Labels::from_pairs(labels.iter().copied()), "0")
    }

    #[test]
    fn targets_get_defaults_and_lose_reserved_labels() {
        let mut settings = ScrapeSettings::new("node");
        settings.params = vec![("match".into(), vec!["a".into(), "b".into()])];
        let found = resolve(&settings, [&group(&["h:9100", "h:9100"], &[("dc", "ruh"), ("__meta_x", "y")])]);
        assert_eq!(found.active.len(), 1, "{found:?}");
        let target = &found.active[0];
        assert_eq!(target.labels.to_string(), r#"{dc="ruh", instance="h:9100", job="node"}"#);
        assert_eq!(target.url, "http://h:9100/metrics?match=a&match=b");
        assert_eq!((target.interval, target.timeout), (60_000, 10_000));
        assert_eq!(target.discovered.value("__scrape_interval__"), "1m");
        assert_eq!(target.discovered.value("__scrape_native_histograms__"), "true");
        assert_eq!(target.discovered.value("__convert_classic_histograms_to_nhcb__"), "false");
        assert_eq!(target.discovered.value("__meta_x"), "y");
        assert_eq!(target.discovered.value("__param_match"), "a");
    }

    #[test]
    fn relabelling_moves_and_drops_targets() {
        let mut settings = ScrapeSettings::new("probe");
        let address = || vec!["__address__".to_owned()];
        let set = |target: &str, replacement: &str| RelabelConfig {
            source_labels: address(),
            target_label: target.into(),
            replacement: replacement.into(),
            ..RelabelConfig::default()
        };
        let drop = RelabelConfig {
            source_labels: address(),
            regex: RelabelRegex::new("bad.*").unwrap(),
            action: RelabelAction::Drop,
            ..RelabelConfig::default()
        };
        settings.relabel = vec![
            drop,
            set("__param_target", "$1"),
            set("instance", "$1"),
            set("__address__", "prober:9115"),
            set("__metrics_path__", "probe"),
            set("__scrape_interval__", "15s"),
            set("__scheme__", "https"),
            set("__scrape_native_histograms__", "false"),
            set("__convert_classic_histograms_to_nhcb__", "true"),
        ];
        let found = resolve(&settings, [&group(&["one.example", "bad.example"], &[])]);
        assert_eq!(found.dropped.len(), 1);
        assert_eq!(found.dropped[0].value("__address__"), "bad.example");
        assert_eq!(found.active[0].url, "https://prober:9115/probe?target=one.example");
        assert_eq!(found.active[0].labels.value("instance"), "one.example");
        assert_eq!(found.active[0].interval, 15_000);
        let histograms = Histograms { native: false, always_classic: false, to_custom_buckets: true };
        assert_eq!(found.active[0].histograms, histograms);
    }

    #[test]
    fn impossible_targets_are_refused_with_the_reason() {
        let settings = ScrapeSettings::new("j");
        for (address, labels, want) in [
            ("", &[][..], "instance 0 in group 0: no address"),
            ("http://h:1", &[], "instance 0 in group 0: \"http://h:1\" is not a valid hostname"),
            ("h:1", &[("__scrape_interval__", "0")], "instance 0 in group 0: scrape interval cannot be 0"),
            (
                "h:1",
                &[("__scrape_timeout__", "2m")],
                "instance 0 in group 0: scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")",
            ),
            (
                "h:1",
                &[("__scrape_native_histograms__", "yes")],
                "instance 0 in group 0: label __scrape_native_histograms__ is \"yes\", expected true or false",
            ),
        ] {
            assert_eq!(resolve(&settings, [&group(&[address], labels)]).errors, [want]);
        }
    }

    #[test]
    fn a_target_of_which_no_request_can_be_made_is_a_target() {
        let settings = ScrapeSettings::new("j");
        for (address, labels, want) in [
            ("h:1", &[("__scheme__", "ftp")][..], "unsupported protocol scheme \"ftp\""),
            ("a b:1", &[], "address \"a b:1\": invalid international domain name"),
            ("h:99999", &[], "address \"h:99999\": invalid port number"),
        ] {
            let found = resolve(&settings, [&group(&[address], labels)]);
            assert_eq!(found.errors, Vec::<String>::new());
            assert_eq!(found.active[0].impossible.as_deref(), Some(want));
            assert_eq!(found.active[0].labels.value("instance"), address);
        }
    }
}
