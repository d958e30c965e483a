//! Room on the stack for deep trees: a query never overflows it.

/// Up to this depth the caller's stack suffices.
const SHALLOW: usize = 100;
/// Stack of the thread that walks a deep tree. Only pages touched cost memory.
const STACK: usize = 512 << 20;

/// Runs `f`, which recurses at most `depth` deep, where there is room for that.
pub(crate) fn with_room_for<T: Send>(depth: usize, f: impl Fn() -> T + Sync) -> T {
    if depth <= SHALLOW {
        return f();
    }
    let done = std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().name("deep-query".into()).stack_size(STACK);
        let handle = worker.spawn_scoped(scope, &f).ok()?;
        match handle.join() {
            Ok(out) => Some(out),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    // Without a thread, the caller's stack is all there is.
    done.unwrap_or_else(f)
}
