//! The generated data set: an HTTP service's metrics and a fleet of GPUs, from a seed.

/// Shape of a series' values.
#[derive(Clone, Copy)]
enum Shape {
    /// Ascending, with a reset now and then.
    Counter { rate: f64 },
    /// A random walk around a level.
    Gauge { level: f64 },
    /// A cumulative bucket of a histogram: a share of a counter.
    Bucket { rate: f64, share: f64 },
}

/// One series and what it takes to continue it.
pub struct Generated {
    pub labels: Vec<(String, String)>,
    shape: Shape,
    state: u64,
    value: f64,
}

impl Generated {
    /// The value of the next sample.
    pub fn next(&mut self) -> f64 {
        let r = uniform(&mut self.state);
        self.value = match self.shape {
            Shape::Counter { .. } if r < 0.0005 => 0.0,
            Shape::Counter { rate } => self.value + (rate * 15.0 * (0.5 + r)).floor(),
            Shape::Gauge { level } => 0.9 * self.value + 0.1 * level + level * 0.05 * (r - 0.5),
            Shape::Bucket { rate, share } => self.value + (rate * 15.0 * share * (0.8 + 0.4 * r)).floor(),
        };
        self.value
    }
}

/// `n` series, the same for the same `n`.
pub fn series(n: usize) -> Vec<Generated> {
    let mut out = Vec::with_capacity(n);
    let mut i = 0usize;
    while out.len() < n {
        let instance = format!("10.0.{}.{}:9100", i / 250, i % 250);
        let (job, zone) = (format!("svc-{}", i % 10), format!("zone-{}", i % 3));
        let mut push = |name: &str, extra: &[(&str, String)], shape: Shape| {
            let mut labels = vec![
                ("__name__".to_owned(), name.to_owned()),
                ("instance".to_owned(), instance.clone()),
                ("job".to_owned(), job.clone()),
                ("zone".to_owned(), zone.clone()),
            ];
            labels.extend(extra.iter().map(|(n, v)| ((*n).to_owned(), v.clone())));
            labels.sort();
            let state = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(out.len() as u64 + 1) | 1;
            out.push(Generated { labels, shape, state, value: 0.0 });
        };
        for path in ["/", "/login", "/predict", "/health"] {
            for status in ["200", "404", "500"] {
                let rate = if status == "200" { 40.0 } else { 0.7 };
                let extra = [("path", path.to_owned()), ("status", status.to_owned())];
                push("http_requests_total", &extra, Shape::Counter { rate });
            }
        }
        for (k, le) in ["0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "+Inf"].into_iter().enumerate() {
            let share = (k + 1) as f64 / 8.0;
            push("request_duration_seconds_bucket", &[("le", le.to_owned())], Shape::Bucket { rate: 20.0, share });
        }
        push("request_duration_seconds_count", &[], Shape::Bucket { rate: 20.0, share: 1.0 });
        for gpu in 0..8 {
            push("gpu_temperature_celsius", &[("gpu", gpu.to_string())], Shape::Gauge { level: 55.0 + gpu as f64 });
        }
        for cpu in 0..8 {
            push("cpu_seconds_total", &[("cpu", cpu.to_string())], Shape::Counter { rate: 0.6 });
        }
        push("memory_used_bytes", &[], Shape::Gauge { level: 6.4e10 });
        push("memory_total_bytes", &[], Shape::Gauge { level: 1.28e11 });
        push("up", &[], Shape::Gauge { level: 1.0 });
        i += 1;
    }
    out.truncate(n);
    out
}

fn uniform(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as f64 / (1u64 << 53) as f64
}
