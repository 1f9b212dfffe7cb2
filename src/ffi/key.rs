//! A key of the keyspace that may hold a latch.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use super::context::{Context, now};
use super::string::Str;
use crate::error::Error;
use crate::latch::{Latch, Round};

/// The data type, once it is registered.
pub(super) static LATCH_TYPE: AtomicPtr<raw::RedisModuleType> = AtomicPtr::new(ptr::null_mut());

/// Ways to open a key: no `keymiss`, no hits and misses, and whose time has passed
/// stays where it is.
const SILENTLY: u32 = raw::REDISMODULE_OPEN_KEY_NONOTIFY
    | raw::REDISMODULE_OPEN_KEY_NOSTATS
    | raw::REDISMODULE_OPEN_KEY_NOEXPIRE;

/// Whether the server knows these ways: all but Redis 7.0.
fn can_look_in_silence() -> bool {
    // SAFETY: written once, before this; see `api`.
    unsafe { raw::RedisModule_GetOpenKeyModesAll }.is_some()
}

/// An open key: it is closed when dropped.
///
/// While one is open nothing else may open the same key: callers keep it to
/// one command and one key.
#[derive(Debug)]
pub(crate) struct Key<'a> {
    /// Null if the key does not exist and was opened for reading.
    raw: *mut raw::RedisModuleKey,
    _context: PhantomData<Context<'a>>,
}

impl<'a> Key<'a> {
    /// Opens a key to look at it.
    pub(crate) fn read(ctx: Context<'a>, name: Str<'_>) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ)
    }

    /// Opens a key to see what has become of it: an access to it, but one that
    /// counts nothing and announces nothing.
    pub(crate) fn look(ctx: Context<'a>, name: Str<'_>) -> Self {
        if can_look_in_silence() {
            return Self::open(ctx, name, raw::REDISMODULE_READ | SILENTLY);
        }
        // Redis 7.0: of lookups for writing it counts and announces nothing.
        Self::write(ctx, name)
    }

    /// Opens a key to change it.
    pub(crate) fn write(ctx: Context<'a>, name: Str<'_>) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE)
    }

    fn open(ctx: Context<'a>, name: Str<'_>, mode: u32) -> Self {
        let mode = mode.cast_signed();
        // SAFETY: the context and the name are valid.
        let raw = unsafe { api!(RedisModule_OpenKey)(ctx.as_ptr(), name.as_ptr(), mode) };
        Self { raw: raw.cast(), _context: PhantomData }
    }

    /// The latch of this key, if it exists; an error if it is something else.
    pub(crate) fn latch(&self) -> Result<Option<&Latch>, Error> {
        // SAFETY: the value lives until the key is changed, which needs a
        // `&mut self`, or closed.
        Ok(self.value()?.map(|value| unsafe { value.as_ref() }))
    }

    /// The latch of this key, to be changed.
    pub(crate) fn latch_mut(&mut self) -> Result<Option<&mut Latch>, Error> {
        // SAFETY: as in `latch`; the borrow of the key makes it the only one.
        Ok(self.value()?.map(|mut value| unsafe { value.as_mut() }))
    }

    fn value(&self) -> Result<Option<NonNull<Latch>>, Error> {
        // SAFETY: the key is open, or null. Null unless it holds a module's type.
        let found = unsafe { api!(RedisModule_ModuleTypeGetType)(self.raw) };
        if found.is_null() || found != LATCH_TYPE.load(Ordering::Relaxed) {
            return if self.is_empty() { Ok(None) } else { Err(Error::WrongType) };
        }
        // SAFETY: the key is open and holds a value of our type, which is
        // always a `Latch` (see `type_methods`).
        let value = unsafe { api!(RedisModule_ModuleTypeGetValue)(self.raw) };
        Ok(NonNull::new(value.cast()))
    }

    fn is_empty(&self) -> bool {
        // SAFETY: the key is open, or null, which counts as an empty one.
        let kind = unsafe { api!(RedisModule_KeyType)(self.raw) };
        isize::try_from(kind) == Ok(raw::REDISMODULE_KEYTYPE_EMPTY)
    }

    /// Stores a latch in a key that is open for writing. Answers its round.
    pub(crate) fn put(&mut self, latch: Latch) -> Round {
        let round = latch.round();
        let value = Box::into_raw(Box::new(latch)).cast();
        let latch_type = LATCH_TYPE.load(Ordering::Relaxed);
        // SAFETY: the key is open for writing, and the type takes a `Latch`.
        let status = unsafe { api!(RedisModule_ModuleTypeSetValue)(self.raw, latch_type, value) };
        debug_assert_eq!(status, super::context::OK, "only fails if not open for writing");
        round
    }

    /// Deletes the key. The server announces it to `unlink` of the type
    /// before this returns.
    pub(crate) fn delete(&mut self) {
        // SAFETY: the key is open for writing.
        unsafe { api!(RedisModule_DeleteKey)(self.raw) };
    }

    /// When the key expires, in Unix ms, if it does.
    pub(crate) fn expiry(&self) -> Option<i64> {
        if self.raw.is_null() {
            return None;
        }
        // SAFETY: the key is open.
        let at = unsafe { api!(RedisModule_GetAbsExpire)(self.raw) };
        (at != i64::from(raw::REDISMODULE_NO_EXPIRE)).then_some(at)
    }

    /// Has the key expire so many ms after the time of the running command, and
    /// answers with when that is, in Unix ms. That time is one for all that a
    /// command or a script does, but on Redis 7.0, which goes by the clock.
    pub(crate) fn expire_in(&mut self, millis: i64) -> i64 {
        // The server tells its time by nothing else.
        // SAFETY: the key is open for writing.
        unsafe { api!(RedisModule_SetExpire)(self.raw, 0) };
        let at = self.expiry().unwrap_or_else(now).saturating_add(millis);
        self.set_expiry(Some(at));
        at
    }

    /// Sets when the key expires, in Unix ms; `None`: never.
    pub(crate) fn set_expiry(&mut self, at: Option<i64>) {
        let at = at.unwrap_or_else(|| i64::from(raw::REDISMODULE_NO_EXPIRE));
        // SAFETY: the key is open for writing.
        unsafe { api!(RedisModule_SetAbsExpire)(self.raw, at) };
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: the key is open, or null, which is allowed.
        unsafe { api!(RedisModule_CloseKey)(self.raw) };
    }
}
