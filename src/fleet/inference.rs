//! What the model servers expose: latency histograms, requests, accuracy, predictions.

use super::build::{Builder, MODELS, PODS_PER_MODEL, Target, pod_name};
use super::incident::{BAD_MODEL, SLOW_MODEL};
use super::noise;
use super::shape::Curve;
use super::signal::{Counter, Gauge, Signal};

/// Upper bounds of the latency buckets, with the share of ordinary requests and of slow ones at or below each.
const BUCKETS: [(&str, f64, f64); 9] = [
    ("0.05", 0.31, 0.0),
    ("0.1", 0.62, 0.0),
    ("0.25", 0.93, 0.0),
    ("0.5", 0.985, 0.0),
    ("1.0", 0.9965, 0.0),
    ("2.5", 0.9996, 0.10),
    ("5.0", 1.0, 0.82),
    ("10.0", 1.0, 1.0),
    ("+Inf", 1.0, 1.0),
];
/// Mean latencies, seconds, that agree with the buckets.
const MEAN_LATENCY: (f64, f64) = (0.108, 3.9);
/// Share of mean traffic that is slow while the slow model is slow: less than any hour's traffic.
const SLOW_SHARE: f64 = 0.07;
/// Shares of requests by status: ordinary, and what failing adds to errors, as a share of mean traffic.
const STATUSES: [(&str, f64); 3] = [("success", 0.9962), ("error", 0.0026), ("timeout", 0.0012)];
const FAILING_SHARE: f64 = 0.045;

pub(super) fn describe(build: &mut Builder<'_>) {
    for (model, rate) in MODELS {
        for ordinal in 0..PODS_PER_MODEL {
            pod(build, model, rate, ordinal);
        }
        quality(build, model);
    }
}

/// A metric's name, the label its series differ in, and what it counts.
type Exposed = (&'static str, Option<(&'static str, &'static str)>, Counter);

fn pod(build: &mut Builder<'_>, model: &str, rate: f64, ordinal: usize) {
    let pod = pod_name(build.seed, model, ordinal);
    let seed = build.seed_of(&pod);
    let instance = format!("10.42.{}.{}:8000", ordinal + 1, 16 + seed % 200);
    let target = Target { job: "model-server", instance: &instance };
    let labels = [("model", model), ("pod", pod.as_str()), ("namespace", "ml-serving")];
    let rate = rate * (0.9 + 0.2 * noise::unit(seed));
    let traffic = Curve { base: rate, swing: 0.55, wander: 0.3, seed };
    let slow = (model == SLOW_MODEL).then_some((build.incident.slow_requests, rate * SLOW_SHARE));
    let failing = (model == BAD_MODEL).then_some((build.incident.failing_requests, rate * FAILING_SHARE));
    let counter = |share: f64, precision: f64| Counter::new(traffic, build.origin, share, precision);

    let mut signals: Vec<Exposed> = Vec::with_capacity(14);
    for (le, usual, slowed) in BUCKETS {
        let effect = slow.map(|(during, rate)| (during, rate * (slowed - usual)));
        signals.push(("inference_latency_seconds_bucket", Some(("le", le)), counter(usual, 1.0).with(effect)));
    }
    let effect = slow.map(|(during, rate)| (during, rate * (MEAN_LATENCY.1 - MEAN_LATENCY.0)));
    signals.push(("inference_latency_seconds_sum", None, counter(MEAN_LATENCY.0, 1_000.0).with(effect)));
    signals.push(("inference_latency_seconds_count", None, counter(1.0, 1.0)));
    for (status, share) in STATUSES {
        let effect = failing.filter(|_| status == "error");
        signals.push(("inference_requests_total", Some(("status", status)), counter(share, 1.0).with(effect)));
    }
    for (name, extra, signal) in signals {
        let labels: Vec<(&str, &str)> = labels.into_iter().chain(extra).collect();
        build.add(&target, name, &labels, Signal::Counter(signal));
    }
    build.add(&target, "up", &labels, Signal::Constant(1.0));
}

fn quality(build: &mut Builder<'_>, model: &str) {
    let seed = build.seed_of(model);
    let target = Target { job: "model-quality", instance: "model-quality.ml-serving.svc:8000" };
    let labels = [("model", model), ("namespace", "ml-serving")];
    let bad = model == BAD_MODEL;

    let curve = Curve { base: 0.90 + 0.07 * noise::unit(seed), swing: 0.0, wander: 0.002, seed };
    let dropped = bad.then_some((build.incident.lost_accuracy, -0.081));
    build.add(&target, "model_accuracy", &labels, Signal::Gauge(Gauge::new(curve, 0.001, 10_000.0).with(dropped)));

    let seed = seed ^ 0x0f0f;
    let curve = Curve { base: 0.18 + 0.4 * noise::unit(seed), swing: 0.02, wander: 0.02, seed };
    // Eight times the deviation that the swing and the noise give over a week.
    let shifted = bad.then_some((build.incident.shifted_predictions, 0.16 * curve.base));
    build.add(&target, "prediction_mean", &labels, Signal::Gauge(Gauge::new(curve, 0.002, 10_000.0).with(shifted)));
}
