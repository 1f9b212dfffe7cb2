//! Keeps panics out of the server.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};

use crate::entry::name;
use crate::log::log_warning;

/// From now on a panic is one line in the server's log, with its text and place.
///
/// There is no backtrace. To take one, libc allocates memory that we would free; and
/// Valkey 8.1 and newer load a module with a scope of its own for symbols, where the
/// `free` that it finds need not be the one that belongs to libc's `malloc`.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|info| log_warning(&describe(info))));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let literal = payload.downcast_ref::<&str>().copied();
    let text = literal.or_else(|| payload.downcast_ref().map(String::as_str)).unwrap_or("no text");
    let place = info.location().map_or("an unknown place".into(), ToString::to_string);
    format!("a bug in the {} module, at {place}: {text}", name())
}

/// Runs the body of a function that the server calls, and returns `or` if it panics.
///
/// Nothing is seen half-changed after a panic but what is in a [`Shared`]: its borrow
/// ends as the panic passes, and it stays as the panic found it.
///
/// [`Shared`]: crate::lock::Shared
pub(crate) fn guarded<T>(or: T, body: impl FnOnce() -> T) -> T {
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
