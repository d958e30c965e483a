//! Cycles of rule evaluation in process, in virtual time: what one costs with and without sharing inside a tick.
//!
//! ```text
//! cargo bench --bench rule_cycle                                  # both data sets of the peers' bench
//! cargo bench --bench rule_cycle -- synthetic 200 [unshared|own]  # one, so many cycles: for a profiler
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, missing_docs)]

#[path = "peers/data.rs"]
mod data;
#[path = "peers/load.rs"]
mod load;

use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell::alerting::group::World;
use watchbell::alerting::schedule::Schedule;
use watchbell::alerting::spec::GroupDefaults;
use watchbell::alerting::world::{RuleContext, StorageWorld};
use watchbell::alerting::{Evaluation, GroupSpec, GroupState};
use watchbell::datasource::LocalQuerier;
use watchbell::model::Labels;
use watchbell::promql::{Common, CompileOptions, EvalEnv};
use watchbell::rules::{self, LoadOptions};
use watchbell::template::prometheus::TemplateCache;
use watchbell::tsdb::{SeriesRef, Tsdb, TsdbOptions};

use load::{Load, Selectors};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const INTERVAL: i64 = 15_000;
/// 240 samples before the first cycle.
const BEGIN: i64 = 1_768_000_005_000;

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| a != "--bench");
    let (only, cycles, how) = (args.next(), args.next(), args.next());
    let cycles = cycles.map_or(10, |n| n.parse().expect("a number of cycles"));
    let loads: [fn() -> Load; 2] = [|| load::synthetic(20_000), || load::fleet(BEGIN)];
    for load in loads {
        for selectors in [Selectors::Shared, Selectors::Own] {
            let load = load();
            let wanted = how.as_deref() == Some("own");
            let own = selectors == Selectors::Own;
            if only.as_deref().is_some_and(|o| o != load.name || own != wanted) || (own && load.name == "fleet") {
                continue;
            }
            let mut stage = Stage::new(load, selectors);
            for shared in [false, true] {
                if only.is_some() && shared == (how.as_deref() == Some("unshared")) {
                    continue;
                }
                let cost = stage.run(cycles, shared);
                println!(
                    "{}, {}: {} rules in {} groups, {}: {:.1} ms CPU a cycle, {:.1} µs a rule",
                    stage.name,
                    selectors.name(),
                    stage.rules,
                    stage.groups.len(),
                    if shared { "shared within ticks" } else { "each for itself" },
                    cost * 1e3,
                    cost * 1e6 / stage.rules as f64
                );
            }
        }
    }
}

struct Stage {
    name: &'static str,
    load: Load,
    refs: Vec<SeriesRef>,
    storage: Tsdb,
    world: Arc<StorageWorld>,
    groups: Vec<(Arc<GroupSpec>, Arc<GroupState>)>,
    rules: usize,
    t: i64,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new(mut load: Load, selectors: Selectors) -> Stage {
        let dir = tempfile::tempdir().expect("a directory");
        let (files, rules) = load.rule_files(dir.path(), 1_000, selectors);
        let mut groups = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a rule file");
            let name = file.display().to_string();
            groups.extend(rules::load_str(&name, &text, &LoadOptions::default()).expect("rules"));
        }
        let common = Common::of(groups.iter().flat_map(|g| &g.rules).map(|r| &*r.plan));
        println!("{}: {} sub-expressions in common", load.name, common.len());
        let (storage, _) = Tsdb::open(dir.path().join("tsdb"), TsdbOptions::default()).expect("a database");
        let surroundings = RuleContext {
            querier: Arc::new(LocalQuerier::new(Arc::new(storage.clone()))),
            env: EvalEnv::default(),
            timeout: std::time::Duration::from_secs(60),
            options: CompileOptions::default(),
            external_labels: Labels::empty(),
            external_url: "".into(),
            common: Some(Arc::new(common)),
            tells_values: false,
        };
        let world = StorageWorld::new(surroundings, storage.clone(), Box::new(TemplateCache::default()));
        let spec = |g| {
            let spec = GroupSpec::of(g, &GroupDefaults::default());
            let state = GroupState::new(spec.rules.len());
            (Arc::new(spec), Arc::new(state))
        };
        let mut appender = storage.appender();
        let mut refs = Vec::new();
        for s in &load.series {
            refs.push(appender.series(&Labels::from_pairs(s.labels.clone())).expect("a series"));
        }
        drop(appender);
        for k in 0..240 {
            let t = BEGIN + k * INTERVAL;
            append(&storage, &mut load, &refs, t);
        }
        let (name, world, t) = (load.name, Arc::new(world), BEGIN + 240 * INTERVAL);
        Stage { name, load, refs, storage, world, groups: groups.iter().map(spec).collect(), rules, t, _dir: dir }
    }

    /// CPU seconds a cycle, of the rules alone.
    fn run(&mut self, cycles: usize, shared: bool) -> f64 {
        let mut cost = 0.0;
        for cycle in 0..=cycles {
            append(&self.storage, &mut self.load, &self.refs, self.t);
            let begin = cpu();
            let mut ticks: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            for (i, (spec, _)) in self.groups.iter().enumerate() {
                let slot = Schedule::default().first_slot(spec.hash(), INTERVAL, self.t);
                ticks.entry(slot).or_default().push(i);
            }
            for (at, members) in ticks {
                let world: Arc<dyn World> = self.world.clone();
                let world = if shared { world.clone().tick().unwrap_or(world) } else { world };
                for i in members {
                    let (spec, state) = &mut self.groups[i];
                    let evaluation = Evaluation { slot: 0, spec: spec.clone(), state: state.clone(), at };
                    *state = Arc::new(evaluation.run(&*world).state);
                }
            }
            // The first one comes to rest.
            cost += if cycle == 0 { 0.0 } else { cpu() - begin };
            self.t += INTERVAL;
        }
        let failed = self.groups.iter().flat_map(|(_, s)| &s.rules).filter_map(|r| r.last_error.as_deref());
        failed.take(3).for_each(|e| println!("failed: {e}"));
        cost / cycles as f64
    }
}

fn append(storage: &Tsdb, load: &mut Load, refs: &[SeriesRef], t: i64) {
    let mut appender = storage.appender();
    for (s, r) in load.series.iter_mut().zip(refs) {
        appender.append_ref(*r, t, (s.next)(t)).expect("a sample");
    }
    appender.commit().expect("a commit");
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists and the pointer is good.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
