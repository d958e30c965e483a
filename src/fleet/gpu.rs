//! What NVIDIA's DCGM exporter says of 64 GPUs. Memory is in MiB, temperatures in degrees Celsius, power in watts.

use super::build::{Builder, GPU_NODES, GPUS_PER_NODE, Target, node_name};
use super::incident::{CROWDED_NODE, HOT_NODE, LOST_GPU};
use super::noise;
use super::shape::Curve;
use super::signal::{Counter, Gauge, Signal};

const MEMORY: f64 = 81_920.0;
const MODEL_NAME: &str = "NVIDIA A100-SXM4-80GB";

pub(super) fn describe(build: &mut Builder<'_>) {
    for node in 0..GPU_NODES {
        let host = node_name(node);
        let instance = format!("{host}:9400");
        let target = Target { job: "dcgm-exporter", instance: &instance };
        build.add(&target, "up", &[], Signal::Constant(1.0));
        for gpu in 0..GPUS_PER_NODE {
            describe_one(build, &target, &host, node, gpu);
        }
    }
}

fn describe_one(build: &mut Builder<'_>, target: &Target<'_>, host: &str, node: usize, gpu: usize) {
    let seed = build.seed_of(&format!("{host}/gpu{gpu}"));
    let (index, device) = (gpu.to_string(), format!("nvidia{gpu}"));
    let uuid = format!("GPU-{:08x}-{:04x}-{:04x}", seed as u32, (seed >> 32) as u16, (seed >> 48) as u16);
    let labels =
        [("gpu", &*index), ("UUID", &*uuid), ("device", &*device), ("modelName", MODEL_NAME), ("Hostname", host)];
    let curve = |base: f64, swing: f64, wander: f64| Curve { base, swing, wander, seed };
    let personal = noise::unit(seed);

    // The mission's rule divides used by free, so it speaks from 48.7% of memory on: ordinary load stays below.
    let crowded = (node == CROWDED_NODE && gpu < 4).then_some((build.incident.filled_memory, 0.30 * MEMORY));
    let used = Gauge::new(curve(MEMORY * (0.30 + 0.08 * personal), 0.10, 0.02), 90.0, 1.0).with(crowded);
    let hot = (node == HOT_NODE && gpu >= 4).then_some((build.incident.failed_fan, 24.0));
    let temperature = Gauge::new(curve(64.0 + 4.0 * personal, 0.06, 0.01), 1.0, 1.0).with(hot);
    let lost = (node, gpu) == (HOT_NODE, LOST_GPU.0);
    let xid = match lost {
        true => Signal::Switch { off: 0.0, on: LOST_GPU.1, during: build.incident.xid },
        false => Signal::Constant(0.0),
    };
    let energy = Counter::new(curve(260_000.0, 0.3, 0.1), build.origin, 1.0, 1.0);
    let signals = [
        ("DCGM_FI_DEV_FB_FREE", Signal::Gauge(used.clone().complement_of(MEMORY))),
        ("DCGM_FI_DEV_FB_USED", Signal::Gauge(used)),
        ("DCGM_FI_DEV_GPU_TEMP", Signal::Gauge(temperature)),
        ("DCGM_FI_DEV_XID_ERRORS", xid),
        ("DCGM_FI_DEV_GPU_UTIL", Signal::Gauge(Gauge::new(curve(55.0, 0.5, 0.15), 6.0, 1.0))),
        ("DCGM_FI_DEV_POWER_USAGE", Signal::Gauge(Gauge::new(curve(260.0, 0.3, 0.1), 8.0, 10.0))),
        ("DCGM_FI_DEV_SM_CLOCK", Signal::Constant(1_410.0)),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", Signal::Counter(energy)),
    ];
    for (name, signal) in signals {
        build.add(target, name, &labels, signal);
    }
}
