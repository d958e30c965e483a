//! What fuzzing feeds: one function a target, which takes any bytes and panics where a promise is broken.
//!
//! `fuzz/run` drives them with libFuzzer; `tests/fuzz_corpus.rs` feeds them what is stored in `fuzz/corpus`, so that what
//! was found once is held by `cargo test`.

pub mod block;
pub mod exposition;
pub mod log;
pub mod matchers;
pub mod promql;
pub mod remote_write;
mod stored;
pub mod template;
pub mod yaml;

/// A target's function.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("block", block::run),
    ("exposition", exposition::run),
    ("log", log::run),
    ("matchers", matchers::run),
    ("promql", promql::run),
    ("remote_write", remote_write::run),
    ("template", template::run),
    ("yaml", yaml::run),
];

/// libFuzzer ends the process at every panic. The YAML scanner's assertions are fenced in, and are no fault.
pub fn begin() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("libyaml-safer")) {
            hook(info);
        }
    }));
}
