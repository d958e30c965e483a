//! What this machine is called.

/// The machine's name, as the kernel knows it; empty where it does not say.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}
