//! A native data type: what the server calls for a stored value.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use crate::defrag::{ALIGNMENT, Defrag};
use crate::entry::{Loading, is_main_thread};
use crate::events::Events;
use crate::key::with_none_to_open;
use crate::lock::Locked;
use crate::panic::{guarded, or_abort};
use crate::payload::{Digest, Reader, Rewriter, Writer};
use crate::string::Str;

/// The values of a data type. The server may drop them on another thread.
pub trait DataType: Send + Sized + 'static {
    /// What `TYPE` replies for it. Types of modules have nine letters.
    const NAME: &'static CStr;
    /// The version of its payload.
    const ENCODING: c_int;

    /// Where its registration is kept.
    fn registration() -> &'static Registration<Self>;

    /// Loads a value from a payload of that encoding.
    ///
    /// # Errors
    /// Why the payload cannot be a value of ours: a line for the log.
    fn load(from: &mut Reader, encoding: c_int) -> Result<Self, String>;

    /// Saves a value to a payload: RDB, `DUMP`, `MIGRATE`.
    fn save(&self, to: &mut Writer);

    /// Writes a value to the AOF, in the commands that a client would have sent.
    fn rewrite(&self, key: Str<'_>, to: &mut Rewriter);

    /// Adds what makes two values equal.
    fn digest(&self, digest: &mut Digest);

    /// The same value for another key.
    fn copy(&self) -> Self;

    /// Its memory beside the value itself, in bytes; estimated from so many `samples` of
    /// its parts (0: all of them).
    fn extra_memory(&self, samples: usize) -> usize;

    /// The number of its allocations: a value of many is freed on another thread.
    fn allocations(&self) -> usize;

    /// Is done with a value that has left the keyspace. With the lock this is on the main
    /// thread, where a value that is large can be kept, and given back in steps. Without,
    /// it is on another thread, where it takes nobody's time.
    fn free(self, lock: Option<Locked<'_>>);

    /// Moves its memory beside the value itself, from this point on. The first step is
    /// from 0. Returns where the next step starts, never 0, or `None` when it was the
    /// last.
    fn defragment(&mut self, from: usize, by: &mut Defrag) -> Option<usize>;
}

/// The registration of a data type.
#[derive(Debug)]
pub struct Registration<T>(AtomicPtr<raw::RedisModuleType>, PhantomData<fn(T) -> T>);

impl<T: DataType> Registration<T> {
    /// That of a type that is not registered yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    pub(crate) fn as_ptr(&self) -> *mut raw::RedisModuleType {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T: DataType> Default for Registration<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers the data type whose values the events are about.
///
/// # Errors
/// If the server refuses.
pub fn register<E: Events>(loading: &Loading<'_>) -> Result<(), String> {
    register_type::<E::Value, E>(loading)
}

fn register_type<T: DataType, E: Events<Value = T>>(loading: &Loading<'_>) -> Result<(), String> {
    const { assert!(size_of::<T>() > 0, "a value is an allocation") };
    const { assert!(align_of::<T>() <= ALIGNMENT) };
    let mut methods = raw::RedisModuleTypeMethods {
        version: u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION),
        rdb_load: Some(rdb_load::<T>),
        rdb_save: Some(rdb_save::<T>),
        aof_rewrite: Some(aof_rewrite::<T>),
        digest: Some(digest::<T>),
        free: Some(free::<T>),
        defrag: Some(defrag::<T>),
        mem_usage2: Some(mem_usage::<T>),
        free_effort2: Some(free_effort::<T>),
        unlink2: Some(unlink::<E>),
        copy2: Some(copy::<T>),
        // The same with less to go by.
        mem_usage: None,
        free_effort: None,
        unlink: None,
        copy: None,
        // Nothing to keep outside of keys.
        aux_load: None,
        aux_save: None,
        aux_save2: None,
        aux_save_triggers: 0,
    };
    let (ctx, name, methods) = (loading.as_ptr(), T::NAME.as_ptr(), &raw mut methods);
    // SAFETY: this is the context of loading; the server copies the methods.
    let made = unsafe { api!(RedisModule_CreateDataType)(ctx, name, T::ENCODING, methods) };
    if made.is_null() {
        return Err("the data type".into());
    }
    T::registration().0.store(made, Ordering::Relaxed);
    Ok(())
}

/// A value as the server keeps it.
///
/// # Safety
/// The pointer must be a value of the type `T` that stays unchanged during `'a`.
unsafe fn value_of<'a, T: DataType>(value: *const c_void) -> Option<&'a T> {
    // SAFETY: values of the type are boxed `T`s, made in this file or in `key.rs`.
    unsafe { value.cast::<T>().as_ref() }
}

fn boxed<T: DataType>(value: T) -> *mut c_void {
    Box::into_raw(Box::new(value)).cast()
}

unsafe extern "C" fn rdb_load<T: DataType>(
    io: *mut raw::RedisModuleIO,
    encoding: c_int,
) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        // SAFETY: the server passes an IO that is valid during this call.
        let Some(mut reader) = (unsafe { Reader::from_raw(io) }) else {
            return ptr::null_mut();
        };
        T::load(&mut reader, encoding).map_or_else(
            |refusal| {
                reader.log(&refusal);
                ptr::null_mut()
            },
            boxed,
        )
    })
}

unsafe extern "C" fn rdb_save<T: DataType>(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    or_abort(|| {
        // SAFETY: the server passes an IO that is valid during this call.
        let writer = unsafe { Writer::from_raw(io) };
        // SAFETY: the server passes a value of the type.
        if let (Some(mut writer), Some(value)) = (writer, unsafe { value_of::<T>(value) }) {
            value.save(&mut writer);
        }
    });
}

unsafe extern "C" fn aof_rewrite<T: DataType>(
    io: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    or_abort(|| {
        // SAFETY: the server passes an IO that is valid during this call.
        let writer = unsafe { Rewriter::from_raw(io) };
        // SAFETY: the server passes a key that is valid during this call.
        let key = unsafe { Str::from_raw(key) };
        // SAFETY: the server passes a value of the type.
        let value = unsafe { value_of::<T>(value) };
        if let (Some(mut writer), Some(key), Some(value)) = (writer, key, value) {
            value.rewrite(key, &mut writer);
        }
    });
}

unsafe extern "C" fn digest<T: DataType>(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes a digest that is valid during this call.
        let digest = unsafe { Digest::from_raw(digest) };
        // SAFETY: the server passes a value of the type.
        if let (Some(mut digest), Some(value)) = (digest, unsafe { value_of::<T>(value) }) {
            value.digest(&mut digest);
        }
    });
}

/// May run on the lazy-free thread of the server.
unsafe extern "C" fn free<T: DataType>(value: *mut c_void) {
    guarded((), || {
        if !value.is_null() {
            // SAFETY: a value of the type, which nobody else has any more.
            let value = unsafe { Box::from_raw(value.cast::<T>()) };
            // SAFETY: on its main thread the server frees values under its lock.
            let lock = is_main_thread().then(|| unsafe { Locked::new() });
            value.free(lock);
        }
    });
}

/// The server looks for holes in its memory, and lets us close ours. Returns
/// 1 if that takes another step.
unsafe extern "C" fn defrag<T: DataType>(
    ctx: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    place: *mut *mut c_void,
) -> c_int {
    guarded(0, || {
        // SAFETY: the server passes a context that is valid during this call.
        let by = unsafe { Defrag::from_raw(ctx) };
        // SAFETY: the server passes a place that holds a value of the type,
        // and that nobody else looks at during this call.
        let place = unsafe { place.cast::<Option<Box<T>>>().as_mut() };
        match (by, place) {
            (Some(mut by), Some(value)) => step(&mut by, value).into(),
            _ => 0,
        }
    })
}

/// Moves the memory of a value. True if the server has no more time now, and
/// should call again.
fn step<T: DataType>(by: &mut Defrag, value: &mut Option<Box<T>>) -> bool {
    let from = by.cursor();
    if from == 0 {
        *value = value.take().map(|value| by.value(value));
    }
    let next = value.as_mut().and_then(|value| value.defragment(from, by));
    if let Some(next) = next {
        by.set_cursor(next);
    }
    next.is_some()
}

unsafe extern "C" fn mem_usage<T: DataType>(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
    samples: usize,
) -> usize {
    guarded(0, || {
        // SAFETY: the value is one allocation of the server's allocator.
        let own = unsafe { api!(RedisModule_MallocSize)(value.cast_mut()) };
        // SAFETY: the server passes a value of the type.
        let more = unsafe { value_of::<T>(value) }.map_or(0, |value| value.extra_memory(samples));
        own + more
    })
}

/// The number of allocations to free: a value of many goes to the lazy-free thread.
unsafe extern "C" fn free_effort<T: DataType>(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> usize {
    guarded(1, || {
        // SAFETY: the server passes a value of the type.
        unsafe { value_of::<T>(value) }.map_or(1, T::allocations)
    })
}

unsafe extern "C" fn unlink<E: Events>(ctx: *mut raw::RedisModuleKeyOptCtx, value: *const c_void) {
    guarded((), || {
        // SAFETY: the context is valid during this call.
        let db = unsafe { api!(RedisModule_GetDbIdFromOptCtx)(ctx) };
        // SAFETY: as above.
        let name = unsafe { api!(RedisModule_GetKeyNameFromOptCtx)(ctx) };
        // SAFETY: the name is valid during this call.
        let name = unsafe { Str::from_raw(name) };
        // SAFETY: the server passes a value of the type.
        if let (Some(name), Some(value)) = (name, unsafe { value_of::<E::Value>(value) }) {
            // SAFETY: the server changes its keyspace under its lock.
            let lock = unsafe { Locked::new() };
            with_none_to_open(|| E::unlinked(lock, db, name.bytes(), value));
        }
    });
}

unsafe extern "C" fn copy<T: DataType>(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        // SAFETY: the server passes a value of the type.
        unsafe { value_of::<T>(value) }.map_or(ptr::null_mut(), |value| boxed(value.copy()))
    })
}
