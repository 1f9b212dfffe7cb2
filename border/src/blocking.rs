//! Blocked clients: how one is blocked, released, and how its wait ends.
//!
//! What the server does with the three callbacks, on every version we serve:
//!
//! - `on_timeout` replies to the client: its timeout passed, `CLIENT UNBLOCK`
//!   was called for it, or we released it. Some servers call it from within
//!   [`Handle::release`], others later.
//! - `on_ready` runs only where somebody creates the key that a client is blocked
//!   on. It does nothing: callers block on names that nobody creates.
//! - `on_end` runs exactly once for every blocked client, whatever ended the
//!   wait, and last: the server's own handle is dangling after it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr;
use std::rc::Rc;

use redis_module::raw;

use crate::command::Call;
use crate::context::{Context, ERR, OK};
use crate::key;
use crate::lock::Locked;
use crate::panic::{caught, guarded};
use crate::reply::{Refusal, Reply};
use crate::string::OwnedStr;

/// What a module keeps for a blocked client.
pub trait Wait {
    /// What the client is told: it has been released, or its timeout has
    /// passed, perhaps when it was about to be released. To do what others hear of panics:
    /// they could unblock the client once more.
    fn reply(&self, lock: Locked<'_>) -> Reply;
    /// The wait is over. Its handle does nothing from here on.
    fn end(&self, lock: Locked<'_>);
}

/// A wait, and the client that the server has blocked for it.
#[derive(Debug)]
struct Blocked<W: ?Sized> {
    /// Null before the server has made it, and once the client gets its reply.
    client: Cell<*mut raw::RedisModuleBlockedClient>,
    wait: W,
}

/// Releases one blocked client. One that is lost leaves it to its timeout.
#[must_use]
pub struct Handle(Rc<Blocked<dyn Wait>>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.0.client).finish()
    }
}

impl Handle {
    /// Releases the client: it gets the reply of its wait, perhaps before this returns.
    ///
    /// A client that has been released, or is gone, is left alone.
    pub fn release(&self, _lock: Locked<'_>) {
        let client = self.0.client.get();
        if !client.is_null() {
            // SAFETY: the server frees the client after `on_end`, where it is given up.
            // A second release does nothing.
            unsafe { api!(RedisModule_UnblockClient)(client, ptr::null_mut()) };
        }
    }
}

/// Blocks the client of a command under a name, for `timeout` ms (0: for ever). It gets
/// nothing of what the command returns then.
/// `None` if the server does not, as in a transaction, or if the client has been blocked or
/// answered; then the wait never ends.
///
/// # Panics
/// If a key is open: the command is over for the server.
pub fn block<W: Wait + 'static>(
    call: Call<'_>,
    name: &OwnedStr,
    timeout: i64,
    wait: W,
) -> Option<Handle> {
    /// The server reckons with it and the clock.
    const LONGEST: i64 = i64::MAX / 4;

    key::assert_none_open();
    // A master's link that is blocked is stuck.
    if call.denies_blocking() || call.is_replaying() || !call.claim() {
        return None;
    }
    let timeout = timeout.clamp(0, LONGEST);
    let mut names = [name.as_str().as_ptr()];
    let blocked = Rc::new(Blocked { client: Cell::new(ptr::null_mut()), wait });
    let data = Rc::into_raw(Rc::clone(&blocked));
    // SAFETY: the context and the name are valid, the callbacks fit the data,
    // and that reference is theirs from here on.
    let client = unsafe {
        api!(RedisModule_BlockClientOnKeys)(
            call.as_ptr(),
            Some(on_ready),
            Some(on_timeout::<W>),
            Some(on_end::<W>),
            timeout,
            names.as_mut_ptr(),
            1,
            data.cast_mut().cast(),
        )
    };
    if client.is_null() {
        call.unclaim();
        // SAFETY: the server did not take the reference, so it is still ours.
        drop(unsafe { Rc::from_raw(data) });
        return None;
    }
    blocked.client.set(client);
    Some(Handle(blocked))
}

/// The blocked client that a callback is about.
///
/// # Safety
/// The context must be of a callback of a client blocked with a `W`.
unsafe fn blocked_of<W: Wait>(ctx: Context<'_>) -> Option<&Blocked<W>> {
    // SAFETY: the context is one of a blocked client.
    let data = unsafe { api!(RedisModule_GetBlockedClientPrivateData)(ctx.as_ptr()) };
    // SAFETY: null, or what `block` made, which lives until `on_end`.
    unsafe { data.cast::<Blocked<W>>().as_ref() }
}

/// Leaves the client blocked: whose wait is decided is released by handle, and
/// a reply from here could come on top of that of an unblocking.
unsafe extern "C" fn on_ready(
    _ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    guarded(ERR, || ERR)
}

unsafe extern "C" fn on_timeout<W: Wait>(
    ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    guarded(ERR, || {
        // SAFETY: the server passes a context that is valid during this call.
        let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
            return ERR;
        };
        // SAFETY: this is a callback of a client that `block::<W>` blocked.
        let blocked = unsafe { blocked_of::<W>(ctx) };
        let reply = caught(None, || {
            let Some(Blocked { client, wait }) = blocked else {
                return Some(Reply::Null);
            };
            client.set(ptr::null_mut()); // it is being released: not once more from in there
            Some(key::with_none_to_open(|| wait.reply(ctx.lock())))
        });
        ctx.reply(reply.unwrap_or_else(|| Reply::Error(Refusal::of_a_bug())));
        OK
    })
}

unsafe extern "C" fn on_end<W: Wait>(_ctx: *mut raw::RedisModuleCtx, data: *mut c_void) {
    guarded((), || {
        // SAFETY: what `block` made; the server gives it back once.
        let blocked = unsafe { Rc::from_raw(data.cast::<Blocked<W>>()) };
        blocked.client.set(ptr::null_mut());
        // SAFETY: the server calls this under its lock.
        blocked.wait.end(unsafe { Locked::new() });
    });
}
