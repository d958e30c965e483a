//! What node-exporter says of the cluster's machines.

use super::build::{Builder, CPU_NODES, GPU_NODES, Target, node_name};
use super::noise;
use super::shape::Curve;
use super::signal::{Counter, Gauge, Signal};

const CPUS: usize = 8;
/// CPU modes with the share of a core's time each takes on average, and whether load moves it.
const MODES: [(&str, f64, f64); 4] =
    [("idle", 0.58, -0.25), ("user", 0.33, 0.40), ("system", 0.07, 0.25), ("iowait", 0.02, 0.20)];
const GIB: f64 = 1_073_741_824.0;

pub(super) fn describe(build: &mut Builder<'_>) {
    for index in 0..GPU_NODES + CPU_NODES {
        let node = node_name(index);
        let instance = format!("{node}:9100");
        let target = Target { job: "node-exporter", instance: &instance };
        let seed = build.seed_of(&instance);
        build.add(&target, "up", &[], Signal::Constant(1.0));
        cpu(build, &target, seed);
        load_and_memory(build, &target, seed);
        disks_and_network(build, &target, seed);
    }
}

fn cpu(build: &mut Builder<'_>, target: &Target<'_>, seed: u64) {
    for cpu in 0..CPUS {
        for (mode, base, swing) in MODES {
            let rate = Curve { base, swing, wander: 0.2, seed: seed ^ (cpu as u64) << 8 };
            let signal = Counter::new(rate, build.origin, 1.0, 100.0);
            let labels = [("cpu", &*cpu.to_string()), ("mode", mode)];
            build.add(target, "node_cpu_seconds_total", &labels, Signal::Counter(signal));
        }
    }
}

fn load_and_memory(build: &mut Builder<'_>, target: &Target<'_>, seed: u64) {
    let total = 512.0 * GIB;
    for (name, jitter) in [("node_load1", 0.5), ("node_load5", 0.15), ("node_load15", 0.05)] {
        let curve = Curve { base: 18.0, swing: 0.45, wander: 0.1, seed };
        build.add(target, name, &[], Signal::Gauge(Gauge::new(curve, jitter, 100.0)));
    }
    build.add(target, "node_memory_MemTotal_bytes", &[], Signal::Constant(total));
    for (name, share) in [
        ("node_memory_MemAvailable_bytes", 0.45 + 0.2 * noise::unit(seed)),
        ("node_memory_MemFree_bytes", 0.22),
        ("node_memory_Cached_bytes", 0.30),
    ] {
        let curve = Curve { base: total * share, swing: -0.12, wander: 0.01, seed };
        // Whole pages, as the kernel counts.
        build.add(target, name, &[], Signal::Gauge(Gauge::new(curve, 0.0, 1.0 / 4_096.0)));
    }
}

fn disks_and_network(build: &mut Builder<'_>, target: &Target<'_>, seed: u64) {
    for (device, mountpoint, size) in [("/dev/nvme0n1p2", "/", 480.0), ("/dev/nvme1n1", "/var/lib/models", 3_600.0)] {
        let labels = [("device", device), ("fstype", "ext4"), ("mountpoint", mountpoint)];
        build.add(target, "node_filesystem_size_bytes", &labels, Signal::Constant(size * GIB));
        let curve = Curve { base: size * GIB * 0.6, swing: 0.01, wander: 0.002, seed };
        let avail = Gauge::new(curve, 0.0, 1.0 / 4_096.0);
        build.add(target, "node_filesystem_avail_bytes", &labels, Signal::Gauge(avail));
    }
    for (name, rate) in [("node_network_receive_bytes_total", 2.4e7), ("node_network_transmit_bytes_total", 3.1e7)] {
        let rate = Curve { base: rate, swing: 0.5, wander: 0.3, seed };
        let signal = Signal::Counter(Counter::new(rate, build.origin, 1.0, 1.0));
        build.add(target, name, &[("device", "eth0")], signal);
    }
}
