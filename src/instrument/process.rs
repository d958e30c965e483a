//! What the operating system says of our process: the `process_*` metrics every exporter has.

use std::fs;

use super::Collect;
use super::exposition::{Exposition, Kind};

/// Reads `/proc/self`; on systems without it there is only the start time.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// When the process started, milliseconds.
    pub started_at: i64,
}

/// Clock ticks a second in `/proc`, on every Linux architecture we build for.
const TICKS: f64 = 100.0;

impl Collect for Process {
    fn collect(&self, out: &mut Exposition) {
        let started = self.started_at as f64 / 1_000.0;
        out.single(
            "process_start_time_seconds",
            Kind::Gauge,
            "Start time of the process since unix epoch in seconds.",
            started,
        );
        let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return };
        // Fields after the command's closing parenthesis, so the state is field 0.
        let fields: Vec<f64> =
            stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
        let field = |i: usize| fields.get(i).copied().unwrap_or(0.0);
        let cpu = (field(11) + field(12)) / TICKS;
        out.single("process_cpu_seconds_total", Kind::Counter, "Total user and system CPU time spent in seconds.", cpu);
        out.single("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.", field(20));
        let resident = field(21) * 4_096.0;
        out.single("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.", resident);
        if let Ok(fds) = fs::read_dir("/proc/self/fd") {
            let open = fds.count() as f64;
            out.single("process_open_fds", Kind::Gauge, "Number of open file descriptors.", open);
        }
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let max = limits.lines().find_map(|l| l.strip_prefix("Max open files")).and_then(|l| {
            let soft = l.split_whitespace().next()?;
            soft.parse::<f64>().ok()
        });
        if let Some(max) = max {
            out.single("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.", max);
        }
    }
}
