//! A large stack for work that follows operands as deep as a program is long.

/// Enough for 64 `fn`s or `def`s inside each other, each with an expression of the greatest depth that is parsed, and for
/// series through loops of 20000 turns. Only what is used takes memory.
const BYTES: usize = 1 << 28;

/// Runs on a thread of its own: how deep the work may go does not depend on the caller's stack.
pub fn deep<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(BYTES);
        let thread = builder.spawn_scoped(scope, work).expect("a thread can be started");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
