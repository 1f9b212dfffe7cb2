//! What others are told of a change: replicas and the AOF, `WATCH` and caches, and who
//! listens to keyspace events.

use std::ffi::CStr;

use redis_module::raw;

use crate::command::Call;
use crate::context::Context;
use crate::key;
use crate::string::{Str, Vector};

/// Kinds of keyspace events, by the letter that `notify-keyspace-events` has
/// for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventClass {
    /// `g`
    Generic,
    /// `d`
    Module,
}

impl Call<'_> {
    /// Propagates the command to replicas and the AOF as it came.
    ///
    /// # Panics
    /// If it is not a command that writes. Both ways to propagate do.
    pub fn replicate_verbatim(self) {
        self.assert_writes();
        // SAFETY: the context is that of a command.
        unsafe { api!(RedisModule_ReplicateVerbatim)(self.as_ptr()) };
    }

    /// Propagates a command of a key and further arguments.
    pub fn replicate(self, command: &CStr, key: Str<'_>, args: &[&[u8]]) {
        self.assert_writes();
        let args = Vector::new(args);
        let (command, format) = (command.as_ptr(), c"sv".as_ptr());
        let (start, len) = args.parts();
        // SAFETY: `s` takes one string, `v` a pointer to strings and their
        // number; all live until the call is over, and the server retains
        // what it keeps.
        unsafe {
            api!(RedisModule_Replicate)(self.as_ptr(), command, format, key.as_ptr(), start, len)
        };
    }
}

impl Context<'_> {
    /// Tells `WATCH` and client-side caches that a key has changed.
    ///
    /// # Panics
    /// If a key is open: a server may look the key up, and find it expired.
    pub fn signal_modified(self, key: Str<'_>) {
        key::assert_none_open();
        let key = key.for_others();
        // SAFETY: the context and the key are valid.
        unsafe { api!(RedisModule_SignalModifiedKey)(self.as_ptr(), key.as_ptr()) };
    }

    /// Fires a keyspace event of the selected database. Who hears of it may do anything
    /// to the key, before this returns.
    ///
    /// # Panics
    /// If a key is open.
    pub fn notify(self, class: EventClass, event: &CStr, key: Str<'_>) {
        key::assert_none_open();
        let class = match class {
            EventClass::Generic => raw::REDISMODULE_NOTIFY_GENERIC,
            EventClass::Module => raw::REDISMODULE_NOTIFY_MODULE,
        };
        let (ctx, event, key) = (self.as_ptr(), event.as_ptr(), key.for_others());
        // SAFETY: the context and the key are valid, the name ends with a NUL.
        unsafe { api!(RedisModule_NotifyKeyspaceEvent)(ctx, class, event, key.as_ptr()) };
    }
}
