//! A key of the keyspace that may hold a value of our type.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use crate::context::{Context, OK, now};
use crate::data_type::DataType;
use crate::string::Str;

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

/// Whether a key is open, or none may be.
static OPEN: AtomicBool = AtomicBool::new(false);

/// # Panics
/// If a key is open. Its value could go while it is lent.
pub(crate) fn assert_none_open() {
    assert!(!OPEN.load(Ordering::Relaxed), "a key is open, or its value is being unlinked");
}

/// Runs `body`, in which no key can be opened.
pub(crate) fn with_none_to_open<T>(body: impl FnOnce() -> T) -> T {
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            OPEN.store(self.0, Ordering::Relaxed);
        }
    }
    let _before = Before(OPEN.swap(true, Ordering::Relaxed)); // a key that deletes is open
    body()
}

/// The key holds a value of another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// An open key, for values of type `T`: it is closed when dropped. One can be open at a
/// time.
#[derive(Debug)]
pub struct Key<'a, T> {
    /// Null if the key does not exist and was opened for reading.
    raw: *mut raw::RedisModuleKey,
    context: PhantomData<Context<'a>>,
    value: PhantomData<fn(T) -> T>,
}

impl<'a, T: DataType> Key<'a, T> {
    /// Opens a key to look at it.
    ///
    /// # Panics
    /// If a key is open. All ways to open one do.
    pub fn read(ctx: Context<'a>, name: Str<'_>) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ)
    }

    /// Opens a key to see what has become of it: an access to it, but one that
    /// counts nothing and announces nothing.
    pub fn look(ctx: Context<'a>, name: Str<'_>) -> Self {
        if can_look_in_silence() {
            return Self::open(ctx, name, raw::REDISMODULE_READ | SILENTLY);
        }
        // Redis 7.0: of lookups for writing it counts and announces nothing.
        Self::write(ctx, name)
    }

    /// Opens a key to change it.
    pub fn write(ctx: Context<'a>, name: Str<'_>) -> Self {
        Self::open(ctx, name, raw::REDISMODULE_READ | raw::REDISMODULE_WRITE)
    }

    fn open(ctx: Context<'a>, name: Str<'_>, mode: u32) -> Self {
        assert_none_open(); // what it lends may expire, or be deleted by who hears of it
        let (name, mode) = (name.for_others(), mode.cast_signed());
        // SAFETY: the context and the name are valid.
        let raw = unsafe { api!(RedisModule_OpenKey)(ctx.as_ptr(), name.as_ptr(), mode) };
        // Not before: who hears of a miss, or of an expiry, may run commands of ours.
        OPEN.store(true, Ordering::Relaxed);
        Self { raw: raw.cast(), context: PhantomData, value: PhantomData }
    }

    /// The value of this key, if it exists.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn value(&self) -> Result<Option<&T>, WrongType> {
        // SAFETY: no other key is open, so there is no other way to the value, which stays
        // until this one is changed, which needs a `&mut self`, or closed.
        Ok(self.find()?.map(|value| unsafe { value.as_ref() }))
    }

    /// The value of this key, to be changed.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn value_mut(&mut self) -> Result<Option<&mut T>, WrongType> {
        // SAFETY: as in `value`; the borrow of the key makes it the only one.
        Ok(self.find()?.map(|mut value| unsafe { value.as_mut() }))
    }

    fn find(&self) -> Result<Option<NonNull<T>>, WrongType> {
        // SAFETY: the key is open, or null. Null unless it holds a module's type.
        let found = unsafe { api!(RedisModule_ModuleTypeGetType)(self.raw) };
        if found.is_null() || found != T::registration().as_ptr() {
            return if self.is_empty() { Ok(None) } else { Err(WrongType) };
        }
        // SAFETY: the key is open and holds a value of our type, which is
        // always a boxed `T` (see `data_type`).
        let value = unsafe { api!(RedisModule_ModuleTypeGetValue)(self.raw) };
        Ok(NonNull::new(value.cast()))
    }

    fn is_empty(&self) -> bool {
        // SAFETY: the key is open, or null, which counts as an empty one.
        let kind = unsafe { api!(RedisModule_KeyType)(self.raw) };
        isize::try_from(kind) == Ok(raw::REDISMODULE_KEYTYPE_EMPTY)
    }

    /// Stores a value in a key that is open for writing, and empty. The key is closed: who
    /// hears of a new key may do anything to it, before this returns.
    ///
    /// # Panics
    /// If it is not open for writing.
    pub fn put(self, value: T) {
        assert!(!self.raw.is_null(), "the key is not open for writing");
        let data_type = T::registration().as_ptr();
        assert!(!data_type.is_null(), "the data type is not registered");
        let value = Box::into_raw(Box::new(value)).cast();
        OPEN.store(false, Ordering::Relaxed); // nothing is lent, and others may run now
        // SAFETY: the key is open, and values of the type are boxed `T`s.
        let status = unsafe { api!(RedisModule_ModuleTypeSetValue)(self.raw, data_type, value) };
        assert_eq!(status, OK, "the key is not open for writing");
    }

    /// Deletes the key, if it is open for writing. The server calls
    /// [`Events::unlinked`](crate::events::Events::unlinked) before this returns.
    pub fn delete(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: the key is open; for reading only, it is refused.
            unsafe { api!(RedisModule_DeleteKey)(self.raw) };
        }
    }

    /// When the key expires, in Unix ms, if it does.
    pub fn expiry(&self) -> Option<i64> {
        if self.raw.is_null() {
            return None;
        }
        // SAFETY: the key is open.
        let at = unsafe { api!(RedisModule_GetAbsExpire)(self.raw) };
        (at != i64::from(raw::REDISMODULE_NO_EXPIRE)).then_some(at)
    }

    /// Has the key expire so many ms after the time of the running command, and
    /// returns when that is, in Unix ms. That time is one for all that a
    /// command or a script does, but on Redis 7.0, which goes by the clock.
    pub fn expire_in(&mut self, millis: i64) -> i64 {
        // The server tells its time by nothing else.
        if !self.raw.is_null() {
            // SAFETY: the key is open; for reading only, it is refused.
            unsafe { api!(RedisModule_SetExpire)(self.raw, 0) };
        }
        let at = self.expiry().unwrap_or_else(now).saturating_add(millis);
        self.set_expiry(Some(at));
        at
    }

    /// Sets when the key expires, in Unix ms; `None`: never. It must be open for writing.
    pub fn set_expiry(&mut self, at: Option<i64>) {
        let at = at.unwrap_or_else(|| i64::from(raw::REDISMODULE_NO_EXPIRE));
        if !self.raw.is_null() {
            // SAFETY: the key is open; for reading only, it is refused.
            unsafe { api!(RedisModule_SetAbsExpire)(self.raw, at) };
        }
    }
}

impl<T> Drop for Key<'_, T> {
    fn drop(&mut self) {
        OPEN.store(false, Ordering::Relaxed);
        // SAFETY: the key is open, or null, which is allowed.
        unsafe { api!(RedisModule_CloseKey)(self.raw) };
    }
}
