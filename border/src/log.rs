//! The server's log, and the context of this module for where a callback has none.

use std::ffi::CString;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use crate::context::Context;
use crate::lock::Locked;

/// Made while loading, and kept until the server ends.
static DETACHED: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(ptr::null_mut());

/// To be called while loading: makes the detached context.
pub(crate) fn make_detached_context(ctx: Context<'_>) {
    // SAFETY: this is the context of loading.
    let detached = unsafe { api!(RedisModule_GetDetachedThreadSafeContext)(ctx.as_ptr()) };
    DETACHED.store(detached, Ordering::Relaxed);
}

impl<'a> Context<'a> {
    /// The context of the module, for callbacks that have none. `None` only if the
    /// module is not loaded.
    pub fn detached(_lock: Locked<'a>) -> Option<Self> {
        // SAFETY: the detached context is never freed, and the lock is held during `'a`.
        unsafe { Context::from_raw(DETACHED.load(Ordering::Relaxed)) }
    }
}

/// A message as a line of the log: what somebody sent may be in it, and must not look like
/// another.
pub(crate) fn printable(message: &str) -> CString {
    CString::new(message.replace(char::is_control, "?")).unwrap_or_default()
}

/// Writes a line to the server log.
pub(crate) fn log_warning(message: &str) {
    let message = printable(message);
    let ctx = DETACHED.load(Ordering::Relaxed);
    // The message is an argument, not the format: it may have a `%`.
    let (level, format) = (c"warning".as_ptr(), c"%s".as_ptr());
    // SAFETY: the context is null, which is allowed, or never freed; `%s` takes the
    // one string.
    unsafe { api!(RedisModule_Log)(ctx, level, format, message.as_ptr()) };
}
