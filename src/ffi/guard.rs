//! Keeps panics out of the server.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};

use super::load::log_warning;

/// From now on a panic is one line in the server's log, with its text and place.
///
/// There is no backtrace: taking one has libc allocate memory that we would free,
/// see the rules in `ffi/mod.rs`.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(|info| log_warning(&describe(info))));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let text = literal.or_else(|| payload.downcast_ref().map(String::as_str)).unwrap_or("no text");
    let place = info.location().map_or("an unknown place".into(), ToString::to_string);
    format!("a bug in the latch module, at {place}: {text}")
}

/// Runs the body of a function that the server called; `or` is the answer if
/// it panics. The panic is a bug of ours, and its message goes to the log.
pub(crate) fn guarded<T>(or: T, body: impl FnOnce() -> T) -> T {
    // Nothing is observed half-changed after a panic: the state of the module
    // is behind a `RefCell`, whose borrow ends with the unwinding, and its methods
    // call out only to block a client, which calls nothing back.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(or)
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_becomes_the_other_answer() {
        assert_eq!(guarded(1, || 2), 2);
        assert_eq!(guarded(1, || panic!("a bug")), 1);
    }
}
