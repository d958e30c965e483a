//! What a discovery finds, as it finds it.

use std::collections::BTreeSet;

use watchbell::config::Config;
use watchbell::ingest::discovery::{DiscoveryManager, Source, Subscription};
use watchbell::instrument::{Collect, Exposition, Format};
use watchbell::model::{Labels, LabelsBuilder};

/// A discovery that is followed.
pub struct Following {
    found: Subscription,
    manager: DiscoveryManager,
    _runtime: tokio::runtime::Runtime,
}

impl Following {
    /// Follows what one entry of `KIND_sd_configs` finds, for the job `j`.
    pub fn start(kind: &str, entry: &str) -> Following {
        let text = format!("scrape_configs:\n- job_name: j\n  {kind}_sd_configs:\n  - {entry}\n");
        let config = Config::load_str("c", &text, &|_| None).unwrap().config;
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let manager = DiscoveryManager::new(runtime.handle().clone());
        let found = manager.subscribe(&Source::of(&config.scrape_configs[0].discovery), "j");
        Following { found, manager, _runtime: runtime }
    }

    /// The labels of all targets, with their groups'.
    pub fn targets(&self) -> Option<BTreeSet<Labels>> {
        let merged = |group: &Labels, own: &Labels| {
            let mut labels: LabelsBuilder = group.to_builder();
            for (name, value) in own.iter() {
                labels.set(name, value);
            }
            labels.build()
        };
        let groups = self.found.groups();
        let all = groups.iter().flat_map(|g| g.iter()).flat_map(|g| g.targets.iter().map(|t| merged(&g.labels, t)));
        self.found.is_complete().then(|| all.collect())
    }

    /// The same as texts.
    pub fn texts(&self) -> Vec<String> {
        self.targets().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    /// What it exposes about itself.
    pub fn metrics(&self) -> String {
        let mut out = Exposition::new(Format::Text);
        self.manager.collect(&mut out);
        out.finish()
    }
}
