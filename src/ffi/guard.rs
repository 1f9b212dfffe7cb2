//! Keeps panics out of the server.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of a function that the server called; `or` is the answer if
/// it panics. The panic is a bug of ours, and its message goes to the log.
pub(crate) fn guarded<T>(or: T, body: impl FnOnce() -> T) -> T {
    // Nothing is observed half-changed after a panic: the state of the module
    // is behind a `RefCell`, whose borrow ends with the unwinding, and its
    // methods do not call out while they change it.
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
