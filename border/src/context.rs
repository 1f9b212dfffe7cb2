//! The context of a callback: what the server says about itself and about who has
//! called.

use std::cell::Cell;
use std::ffi::{c_int, c_longlong, c_void};
use std::io;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use redis_module::raw;

use crate::entry::is_main_thread;
use crate::key;
use crate::lock::Locked;
use crate::string::OwnedStr;
use crate::version::find;

/// The context of one callback, or the one of the module for where there is none.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    raw: NonNull<raw::RedisModuleCtx>,
    /// What the server has said about itself, where it does not change: in a command.
    flags: Option<&'a Cell<Option<u32>>>,
}

impl<'a> Context<'a> {
    /// # Safety
    /// The context must be valid during `'a`, and this thread hold the lock of the server.
    pub(crate) unsafe fn from_raw(ctx: *mut raw::RedisModuleCtx) -> Option<Self> {
        NonNull::new(ctx).map(|raw| Self { raw, flags: None })
    }

    /// The same, which asks the server about itself once.
    pub(crate) fn keeping(self, flags: &'a Cell<Option<u32>>) -> Self {
        Self { flags: Some(flags), ..self }
    }

    pub(crate) fn as_ptr(self) -> *mut raw::RedisModuleCtx {
        self.raw.as_ptr()
    }

    /// Proof that the lock of the server is held: a callback has it.
    pub fn lock(self) -> Locked<'a> {
        // SAFETY: see `from_raw`.
        unsafe { Locked::new() }
    }

    /// The number of the selected database.
    pub fn db(self) -> c_int {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_GetSelectedDb)(self.as_ptr()) }
    }

    /// Selects a database: for the rest of this context's life, or of a command, for its client
    /// from then on.
    pub fn select_db(self, db: c_int) {
        // SAFETY: the context is valid; the server refuses a database that is not there.
        unsafe { api!(RedisModule_SelectDb)(self.as_ptr(), db) };
    }

    /// Whether this client must not be blocked: it is in a transaction or a
    /// script, or it is one that cannot wait, as of a module's call.
    pub fn denies_blocking(self) -> bool {
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
    ///
    /// # Panics
    /// If a key is open: other modules see the command that asks.
    pub fn refuses_memory(self, missing: impl FnOnce() -> OwnedStr) -> bool {
        self.is_over_maxmemory() && {
            // Does nothing: there is no list to push to.
            let missing = missing();
            key::assert_none_open();
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
    pub fn is_replaying(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether the running command is all that is running: a connected client has
    /// sent it by itself, not in a transaction or a script, and no module calls it.
    pub fn is_outermost(self) -> bool {
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
    pub fn is_cluster(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_CLUSTER)
    }

    /// Whether the server is a replica.
    pub fn is_replica(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_SLAVE)
    }

    /// Whether the server is loading a dataset.
    pub fn is_loading(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether the server uses more memory than `maxmemory`: what it evicts then, it
    /// measures by what is free right after.
    pub fn is_over_maxmemory(self) -> bool {
        self.has_flag(raw::REDISMODULE_CTX_FLAGS_OOM)
    }

    /// Whether this node of a cluster serves a slot; `None` where there is no such slot, or
    /// the server cannot be asked (before Redis 8.6, and Valkey). It is to be asked while a slot moves by
    /// itself: then keys vanish at an end of the move of which nothing tells.
    pub fn serves_slot(self, slot: u16) -> Option<bool> {
        /// Of a cluster.
        const SLOTS: u16 = 1 << 14;

        type CanAccessKeys = unsafe extern "C" fn(slot: c_int) -> c_int;

        static ENTRY: OnceLock<Option<CanAccessKeys>> = OnceLock::new();
        let can_access = (*ENTRY.get_or_init(|| {
            let found = find(c"RedisModule_ClusterCanAccessKeysInSlot");
            // SAFETY: null, which is `None`, or the entry point of this name, which has
            // this type.
            unsafe { mem::transmute::<*mut c_void, Option<CanAccessKeys>>(found) }
        }))?;
        // SAFETY: takes a slot on a node of a cluster, and returns 1 or 0.
        (slot < SLOTS && self.is_cluster()).then(|| unsafe { can_access(slot.into()) } != 0)
    }

    /// Bytes that nobody can guess.
    pub fn random_bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        // SAFETY: the server writes as many bytes as it is told, under its lock.
        unsafe { api!(RedisModule_GetRandomBytes)(bytes.as_mut_ptr(), N) };
        bytes
    }

    fn has_flag(self, flags: u32) -> bool {
        let set = self.flags.and_then(Cell::get).unwrap_or_else(|| {
            // SAFETY: the context is valid.
            let set = unsafe { api!(RedisModule_GetContextFlags)(self.as_ptr()) }.cast_unsigned();
            if let Some(flags) = self.flags {
                flags.set(Some(set));
            }
            set
        });
        set & flags != 0
    }
}

/// The time of the server, in Unix ms.
pub fn now() -> i64 {
    // SAFETY: takes no arguments and needs no context.
    let now: c_longlong = unsafe { api!(RedisModule_Milliseconds)() };
    now
}

/// The result of a callback for the server.
pub(crate) const OK: c_int = 0;
/// The other one.
pub(crate) const ERR: c_int = 1;
