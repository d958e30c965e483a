//! The names that `--enable-feature` takes: Prometheus' as of 3.14.

/// Names that switch something here.
const SWITCHES: [&str; 12] = [
    "auto-reload-config",
    "created-timestamp-zero-ingestion",
    "extra-scrape-metrics",
    "otlp-deltatocumulative",
    "otlp-native-delta-ingestion",
    "promql-binop-fill-modifiers",
    "promql-delayed-name-removal",
    "promql-experimental-functions",
    "promql-extended-range-selectors",
    "st-storage",
    "type-and-unit-labels",
    "use-start-timestamps",
];

/// Names without effect, with the reason.
const NOTES: [(&str, &str); 27] = [
    ("agent", "there is no agent mode: without rules this scrapes and remote-writes as an agent does"),
    ("auto-gomaxprocs", NO_GO),
    ("auto-gomemlimit", NO_GO),
    ("concurrent-rule-eval", "what the rules of a tick have in common is evaluated once, on one thread a group"),
    ("delayed-compaction", OWN_STORAGE),
    ("exemplar-storage", ALWAYS_ON),
    ("expand-external-labels", ALWAYS_ON),
    ("fast-startup", OWN_STORAGE),
    ("histograms-st-encoding", OWN_STORAGE),
    ("memory-snapshot-on-shutdown", OWN_STORAGE),
    ("metadata-wal-records", ALWAYS_ON),
    ("native-histograms", "scrape_native_histograms of a job switches them on"),
    ("new-service-discovery-manager", ALWAYS_ON),
    ("no-default-scrape-port", ALWAYS_ON),
    ("old-ui", "there is one web UI"),
    ("ooo-native-histograms", ALWAYS_ON),
    ("otlp-write-receiver", "--web.enable-otlp-receiver switches it on"),
    ("promql-at-modifier", ALWAYS_ON),
    ("promql-duration-expr", ALWAYS_ON),
    ("promql-negative-offset", ALWAYS_ON),
    ("promql-per-step-stats", "queries have no statistics by step"),
    ("remote-write-receiver", "--web.enable-remote-write-receiver switches it on"),
    ("search-api", "the experimental endpoints under /api/v1/search are not served"),
    ("st-synthesis", OWN_STORAGE),
    ("use-uncached-io", OWN_STORAGE),
    ("utf8-names", ALWAYS_ON),
    ("xor2-encoding", OWN_STORAGE),
];

const ALWAYS_ON: &str = "it is always on";
const NO_GO: &str = "this program has no Go run time";
const OWN_STORAGE: &str = "the storage has its own formats and files";

/// What is to be told of a name: nothing, why it has no effect, or that nobody knows it, with those that are known, `others`
/// among them. As with Prometheus, a name nobody knows stops nothing.
pub fn note(name: &str, others: &[&str]) -> Option<String> {
    if SWITCHES.contains(&name) {
        return None;
    }
    if let Some((_, why)) = NOTES.iter().find(|(known, _)| *known == name) {
        return Some(format!("--enable-feature={name} has no effect: {why}"));
    }
    let mut known: Vec<&str> =
        SWITCHES.iter().chain(NOTES.iter().map(|(known, _)| known)).chain(others).copied().collect();
    known.sort_unstable();
    Some(format!("unknown option {name:?} for --enable-feature; known: {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_switch_or_are_noted_or_are_unknown() {
        assert_eq!(note("promql-experimental-functions", &[]), None);
        let noted = note("promql-duration-expr", &[]).unwrap();
        assert_eq!(noted, "--enable-feature=promql-duration-expr has no effect: it is always on");
        for name in ["agent", "fast-startup", "search-api"] {
            let noted = note(name, &[]).unwrap();
            assert!(noted.starts_with(&format!("--enable-feature={name} has no effect: ")), "{noted}");
        }
        let unknown = note("promql-duration", &["classic-mode"]).unwrap();
        assert!(
            unknown.starts_with(
                "unknown option \"promql-duration\" for --enable-feature; known: agent, auto-gomaxprocs, "
            )
        );
        assert!(
            unknown.contains(", classic-mode, ") && unknown.contains(", promql-delayed-name-removal, "),
            "{unknown}"
        );
    }
}
