//! What a callback may ask of the server: replies, propagation, events.

use std::ffi::{CStr, c_int, c_long, c_longlong};
use std::io;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use redis_module::raw;

use super::load::is_main_thread;
use super::string::{OwnedStr, Str, Vector};
use crate::error::Error;
use crate::waiters::Db;

/// The context of one callback, or the detached one of this module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a>(NonNull<raw::RedisModuleCtx>, PhantomData<&'a ()>);

/// A reply to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The simple string `OK`.
    Ok,
    /// Null: `$-1` in RESP2, `_` in RESP3.
    Null,
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(Rc<[u8]>),
    /// An array.
    Array(Vec<Reply>),
    /// Simple strings.
    Lines(&'static [&'static CStr]),
    /// A map in RESP3, its fields and values in turn in RESP2.
    Map(Vec<(&'static str, Reply)>),
    /// An error.
    Error(Error),
    /// Nothing now: the client is parked.
    Later,
    /// Nothing more: the command has answered by itself.
    Sent,
}

/// Kinds of keyspace events, by the letter that `notify-keyspace-events` has
/// for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventClass {
    /// `g`
    Generic,
    /// `d`
    Module,
}

impl<'a> Context<'a> {
    /// # Safety
    /// The context must be valid during `'a`.
    pub(super) unsafe fn from_raw(ctx: *mut raw::RedisModuleCtx) -> Option<Self> {
        NonNull::new(ctx).map(|ctx| Self(ctx, PhantomData))
    }

    pub(super) fn as_ptr(self) -> *mut raw::RedisModuleCtx {
        self.0.as_ptr()
    }

    /// Answers the client of this context.
    pub(crate) fn reply(self, reply: Reply) {
        let ctx = self.as_ptr();
        match reply {
            Reply::Ok => self.reply_line(c"OK"),
            Reply::Null => {
                // SAFETY: the context is valid.
                unsafe { api!(RedisModule_ReplyWithNull)(ctx) };
            }
            Reply::Integer(n) => {
                // SAFETY: the context is valid.
                unsafe { api!(RedisModule_ReplyWithLongLong)(ctx, n) };
            }
            Reply::Bulk(bytes) => self.reply_bulk(&bytes),
            Reply::Lines(lines) => {
                self.reply_array(lines.len());
                lines.iter().for_each(|line| self.reply_line(line));
            }
            Reply::Array(items) => {
                self.reply_array(items.len());
                items.into_iter().for_each(|item| self.reply(item));
            }
            Reply::Map(fields) => self.reply_map(fields),
            Reply::Error(error) => {
                let text = error.text();
                // SAFETY: the context is valid and the text ends with a NUL.
                unsafe { api!(RedisModule_ReplyWithError)(ctx, text.as_ptr()) };
            }
            Reply::Later | Reply::Sent => {}
        }
    }

    /// Begins an array; as many replies must follow.
    pub(crate) fn reply_array(self, len: usize) {
        let len = c_long::try_from(len).unwrap_or(c_long::MAX);
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithArray)(self.as_ptr(), len) };
    }

    /// Answers with a bulk string.
    pub(crate) fn reply_bulk(self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: the context is valid; `start` points to `len` bytes, which
        // the server copies.
        unsafe { api!(RedisModule_ReplyWithStringBuffer)(self.as_ptr(), start, len) };
    }

    fn reply_line(self, line: &CStr) {
        // SAFETY: the context is valid and the line ends with a NUL.
        unsafe { api!(RedisModule_ReplyWithSimpleString)(self.as_ptr(), line.as_ptr()) };
    }

    fn reply_map(self, fields: Vec<(&'static str, Reply)>) {
        let len = c_long::try_from(fields.len()).unwrap_or(c_long::MAX);
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplyWithMap)(self.as_ptr(), len) };
        for (name, value) in fields {
            self.reply_bulk(name.as_bytes());
            self.reply(value);
        }
    }

    /// Propagates the running command to replicas and the AOF as it came.
    pub(crate) fn replicate_verbatim(self) {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_ReplicateVerbatim)(self.as_ptr()) };
    }

    /// Propagates a command of a key and further arguments.
    pub(crate) fn replicate(self, command: &CStr, key: Str<'_>, args: &[&[u8]]) {
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

    /// Fires a keyspace event of the selected database.
    pub(crate) fn notify(self, class: EventClass, event: &CStr, key: Str<'_>) {
        let class = match class {
            EventClass::Generic => raw::REDISMODULE_NOTIFY_GENERIC,
            EventClass::Module => raw::REDISMODULE_NOTIFY_MODULE,
        };
        let (event, key) = (event.as_ptr(), key.as_ptr());
        // SAFETY: the context and the key are valid, the name ends with a NUL.
        unsafe { api!(RedisModule_NotifyKeyspaceEvent)(self.as_ptr(), class, event, key) };
    }

    /// Tells `WATCH` and client-side caches that a key has changed.
    pub(crate) fn signal_modified(self, key: Str<'_>) {
        // SAFETY: the context and the key are valid.
        unsafe { api!(RedisModule_SignalModifiedKey)(self.as_ptr(), key.as_ptr()) };
    }

    /// The selected database.
    pub(crate) fn db(self) -> Db {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetSelectedDb)(self.as_ptr()) }
    }

    /// Selects a database for the rest of this context's life.
    pub(crate) fn select_db(self, db: Db) {
        // SAFETY: the context is valid; a database that is not there is an
        // answer, not an accident.
        unsafe { api!(RedisModule_SelectDb)(self.as_ptr(), db) };
    }

    /// Whether this client must not be blocked: it is in a transaction or a
    /// script, or it is one that cannot wait, as of a module's call.
    pub(crate) fn denies_blocking(self) -> bool {
        self.has_flag(
            raw::REDISMODULE_CTX_FLAGS_MULTI
                | raw::REDISMODULE_CTX_FLAGS_LUA
                | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING,
        )
    }

    /// Whether the server would refuse the running command, if it were one that may
    /// need memory (`deny-oom`). `missing` names a key that does not exist, in the
    /// slot of the command's keys.
    ///
    /// That `maxmemory` is exceeded is not enough: a server goes on while it evicts,
    /// and a replica leaves it to its master.
    pub(crate) fn refuses_memory(self, missing: impl FnOnce() -> OwnedStr) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_OOM) && {
            // Does nothing: there is no list to push to.
            let missing = missing();
            let (ctx, key) = (self.as_ptr(), missing.as_str().as_ptr());
            let (command, format, value) = (c"LPUSHX".as_ptr(), c"Msc".as_ptr(), c"".as_ptr());
            // SAFETY: the context is valid; `M` has the call refused where the
            // server would, `s` takes one string, `c` one that ends with a NUL.
            let reply = unsafe { api!(RedisModule_Call)(ctx, command, format, key, value) };
            if reply.is_null() {
                // By `M`; or nobody can be asked, since there is no such command. A node
                // of a cluster that may not run it has come past `M`.
                let refusal = io::Error::last_os_error().kind();
                return matches!(refusal, io::ErrorKind::StorageFull | io::ErrorKind::NotFound);
            }
            // SAFETY: the reply is ours.
            unsafe { api!(RedisModule_FreeCallReply)(reply) };
            false
        }
    }

    /// Whether the running command is not a client's, but comes from the master
    /// or from the AOF.
    pub(crate) fn is_replaying(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether the running command is all that is running: a connected client has
    /// sent it by itself, not in a transaction or a script, and no module calls it.
    pub(crate) fn is_outermost(self) -> bool {
        is_main_thread() && !self.denies_blocking() && !self.is_loading() && self.is_connected()
    }

    /// Whether the client of this context is a connection, not one that a module
    /// or the server has made to run commands.
    fn is_connected(self) -> bool {
        // SAFETY: the context is valid.
        let id = unsafe { api!(RedisModule_GetClientId)(self.as_ptr()) };
        // SAFETY: null: we only want to know whether there is such a client.
        unsafe { api!(RedisModule_GetClientInfoById)(ptr::null_mut(), id) == OK }
    }

    /// Whether the server is a node of a cluster.
    pub(crate) fn is_cluster(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_CLUSTER)
    }

    /// Whether the server is a replica.
    pub(crate) fn is_replica(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_SLAVE)
    }

    /// Whether the server is loading a dataset.
    pub(crate) fn is_loading(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    fn has_flag(self, flags: u32) -> bool {
        // SAFETY: the context is valid.
        let set = unsafe { api!(RedisModule_GetContextFlags)(self.as_ptr()) };
        set.cast_unsigned() & flags != 0
    }
}

/// The time of the server in Unix ms.
pub(crate) fn now() -> i64 {
    // SAFETY: takes no arguments and needs no context.
    let now: c_longlong = unsafe { api!(RedisModule_Milliseconds)() };
    now
}

/// Bytes that nobody can guess.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // SAFETY: the server writes as many bytes as it is told.
    unsafe { api!(RedisModule_GetRandomBytes)(bytes.as_mut_ptr(), N) };
    bytes
}

/// The result of a callback for the server.
pub(super) const OK: c_int = 0;
/// The other one.
pub(super) const ERR: c_int = 1;
