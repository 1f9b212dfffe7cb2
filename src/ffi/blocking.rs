//! Blocked clients: how one is blocked, released, and how its wait ends.
//!
//! What the server does with the three callbacks, on every version we serve:
//!
//! - `on_timeout` answers the client: its timeout passed, `CLIENT UNBLOCK`
//!   was called for it, or we released it. Some servers call it from within
//!   [`Handle::release`], others later.
//! - `on_ready` runs only where somebody creates the key that a client is blocked
//!   on, which nobody does (see `shadow.rs`), and does nothing.
//! - `on_end` runs exactly once for every blocked client, whatever ended the
//!   wait, and last: the handle is dangling after it.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use redis_module::raw;

use super::context::{Context, ERR, OK, Reply};
use super::guard::guarded;
use super::string::OwnedStr;
use crate::error::Error;

/// What the module keeps for a blocked client.
pub(crate) trait Wait: Sized {
    /// What the client is told: it has been released, or its timeout has
    /// passed, perhaps when it was about to be released.
    fn reply(&self) -> Reply;
    /// The wait is over; its handle must not be used again.
    fn end(self);
}

/// Releases one blocked client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle(NonNull<raw::RedisModuleBlockedClient>);

impl Handle {
    /// Releases the client: it gets the reply of its wait.
    ///
    /// A client that has been released, or is gone, is left alone. Must not
    /// be called once [`Wait::end`] has been: whoever keeps a handle gives it
    /// up there.
    pub(crate) fn release(self) {
        // SAFETY: the server frees the handle right after `on_end`, which it
        // calls between commands only, and there the handle leaves the lot.
        // Until then a second release is answered with OK and does nothing.
        unsafe { api!(RedisModule_UnblockClient)(self.0.as_ptr(), ptr::null_mut()) };
    }
}

/// Blocks the client of a command under a name, for `timeout` ms (0: for ever).
/// `None` if the server does not; then the wait has ended.
pub(crate) fn block<W: Wait>(
    ctx: Context<'_>,
    name: &OwnedStr,
    timeout: i64,
    wait: W,
) -> Option<Handle> {
    let mut names = [name.as_str().as_ptr()];
    let wait = Box::into_raw(Box::new(wait));
    // SAFETY: the context and the name are valid, the callbacks fit the wait,
    // and the box is theirs from here on.
    let handle = unsafe {
        api!(RedisModule_BlockClientOnKeys)(
            ctx.as_ptr(),
            Some(on_ready),
            Some(on_timeout::<W>),
            Some(on_end::<W>),
            timeout,
            names.as_mut_ptr(),
            1,
            wait.cast(),
        )
    };
    if handle.is_null() {
        // SAFETY: the server did not take the box, so it is still ours.
        drop(unsafe { Box::from_raw(wait) });
    }
    NonNull::new(handle).map(Handle)
}

/// The wait of the blocked client that a callback is about.
///
/// # Safety
/// The context must be of a callback of a client blocked with a `W`.
unsafe fn wait_of<'a, W: Wait>(ctx: Context<'a>) -> Option<&'a W> {
    // SAFETY: the context is one of a blocked client.
    let wait = unsafe { api!(RedisModule_GetBlockedClientPrivateData)(ctx.as_ptr()) };
    // SAFETY: null, or the box that `block` made, which lives until `on_end`.
    unsafe { wait.cast::<W>().as_ref() }
}

/// Leaves the client blocked: whose wait is decided is released by handle, and
/// an answer from here could come on top of that of an unblocking.
unsafe extern "C" fn on_ready(
    _ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    ERR
}

unsafe extern "C" fn on_timeout<W: Wait>(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    // SAFETY: the server passes a context that is valid during this call.
    let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
        return ERR;
    };
    let reply = guarded(Reply::Error(Error::Internal), || {
        // SAFETY: this is a callback of a client that `block::<W>` blocked.
        let wait = unsafe { wait_of::<W>(ctx) };
        wait.map_or(Reply::Null, Wait::reply)
    });
    ctx.reply(reply);
    OK
}

unsafe extern "C" fn on_end<W: Wait>(_ctx: *mut raw::RedisModuleCtx, wait: *mut c_void) {
    guarded((), || {
        // SAFETY: the box that `block` made; the server gives it back once.
        let wait = unsafe { Box::from_raw(wait.cast::<W>()) };
        wait.end();
    });
}
