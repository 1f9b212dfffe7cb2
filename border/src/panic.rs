//! Keeps panics out of the server.

#[cfg(target_os = "linux")]
use std::ffi::c_int;
use std::mem;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process;
#[cfg(target_os = "linux")]
use std::ptr;

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
    uncancelled(|| caught(or, body))
}

/// The same within a function that is guarded itself.
pub(crate) fn caught<T>(or: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        mem::forget(payload); // to drop it may panic
        or
    })
}

/// Runs the body of a function that the server calls to save a value. A panic ends the
/// process, which is a child of the server's, or one that is about to take half a value for
/// a whole one.
pub(crate) fn or_abort(body: impl FnOnce()) {
    if !guarded(false, || {
        body();
        true
    }) {
        process::abort();
    }
}

/// Runs `body` with the cancellation of this thread put off.
///
/// In a crash report the server cancels its other threads. The C library does that by
/// unwinding, which `catch_unwind` would stop: it aborts then, in the middle of the report,
/// and Valkey waits for ever for the end of that.
#[cfg(target_os = "linux")]
fn uncancelled<T>(body: impl FnOnce() -> T) -> T {
    unsafe extern "C-unwind" {
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
    const PTHREAD_CANCEL_DISABLE: c_int = 1;

    let mut before = 0;
    // SAFETY: `before` is written once.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
    let result = body();
    // SAFETY: a thread that was to be cancelled may end in here, where nothing is to be
    // dropped but the result: that is lost. Nobody wants to know the state; null is allowed.
    unsafe { pthread_setcancelstate(before, ptr::null_mut()) };
    result
}

#[cfg(not(target_os = "linux"))]
fn uncancelled<T>(body: impl FnOnce() -> T) -> T {
    body()
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
