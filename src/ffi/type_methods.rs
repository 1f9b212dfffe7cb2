//! The native data type: what the server calls for a stored latch.

use std::ffi::{CStr, CString, c_int, c_ulong, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::Ordering;

use redis_module::raw;

use super::context::Context;
use super::guard::guarded;
use super::key::LATCH_TYPE;
use super::string::{Str, Vector};
use crate::datatype;
use crate::defrag::Mover;
use crate::latch::Latch;
use crate::lifecycle;
use crate::waiters::Db;

/// A key that is being saved to an RDB payload, or rewritten to an AOF.
#[derive(Debug)]
pub(crate) struct Writer(NonNull<raw::RedisModuleIO>);

impl Writer {
    /// Saves an integer.
    pub(crate) fn save(&mut self, value: u64) {
        // SAFETY: the server passes an IO that is valid during the callback.
        unsafe { api!(RedisModule_SaveUnsigned)(self.0.as_ptr(), value) };
    }

    /// Saves bytes.
    pub(crate) fn save_bytes(&mut self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: as above; `start` points to `len` bytes.
        unsafe { api!(RedisModule_SaveStringBuffer)(self.0.as_ptr(), start, len) };
    }

    /// Writes a command of a key and further arguments to the AOF.
    pub(crate) fn emit(&mut self, command: &CStr, key: Str<'_>, args: &[&[u8]]) {
        let args = Vector::new(args);
        let (io, command, format) = (self.0.as_ptr(), command.as_ptr(), c"sv".as_ptr());
        let (start, len) = args.parts();
        // SAFETY: `s` takes one string, `v` a pointer to strings and their number.
        unsafe { api!(RedisModule_EmitAOF)(io, command, format, key.as_ptr(), start, len) };
    }
}

/// A payload that is being loaded.
#[derive(Debug)]
pub(crate) struct Reader(NonNull<raw::RedisModuleIO>);

impl Reader {
    /// The next integer; `None` if it is missing.
    pub(crate) fn load(&mut self) -> Option<u64> {
        // SAFETY: the server passes an IO that is valid during the callback.
        let value = unsafe { api!(RedisModule_LoadUnsigned)(self.0.as_ptr()) };
        (!self.has_failed()).then_some(value)
    }

    /// The next bytes; `None` if they are missing.
    pub(crate) fn load_bytes(&mut self) -> Option<Box<[u8]>> {
        let mut len = 0;
        // SAFETY: as above.
        let start = unsafe { api!(RedisModule_LoadStringBuffer)(self.0.as_ptr(), &raw mut len) };
        if start.is_null() || self.has_failed() {
            return None;
        }
        // SAFETY: the server answers with an allocation of `len` bytes.
        let bytes = unsafe { slice::from_raw_parts(start.cast::<u8>(), len) }.into();
        // SAFETY: the allocation is ours to free, and we have a copy.
        unsafe { api!(RedisModule_Free)(start.cast()) };
        Some(bytes)
    }

    fn has_failed(&self) -> bool {
        // SAFETY: the server passes an IO that is valid during the callback.
        unsafe { api!(RedisModule_IsIOError)(self.0.as_ptr()) != 0 }
    }

    fn log(&self, message: &str) {
        let message = CString::new(message).unwrap_or_default();
        let (level, format) = (c"warning".as_ptr(), c"%s".as_ptr());
        // SAFETY: `%s` takes the one string.
        unsafe { api!(RedisModule_LogIOError)(self.0.as_ptr(), level, format, message.as_ptr()) };
    }
}

/// What makes two latches equal, for `DEBUG DIGEST`.
#[derive(Debug)]
pub(crate) struct Digest(NonNull<raw::RedisModuleDigest>);

impl Digest {
    /// Adds an integer.
    pub(crate) fn add(&mut self, value: i64) {
        // SAFETY: the server passes a digest that is valid during the callback.
        unsafe { api!(RedisModule_DigestAddLongLong)(self.0.as_ptr(), value) };
    }

    /// Adds bytes.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: as above; `start` points to `len` bytes.
        unsafe { api!(RedisModule_DigestAddStringBuffer)(self.0.as_ptr(), start, len) };
    }

    /// Ends a sequence: within one the order counts, between them it does not.
    pub(crate) fn end(&mut self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_DigestEndSequence)(self.0.as_ptr()) };
    }
}

/// The server while it moves the memory of one value.
#[derive(Debug)]
pub(crate) struct Defrag(NonNull<raw::RedisModuleDefragCtx>);

impl Defrag {
    /// Where the last step on this value stopped; 0 if this is the first.
    pub(crate) fn cursor(&self) -> usize {
        let mut cursor = 0;
        // SAFETY: the server passes a context that is valid during the
        // callback. It writes nothing for a small value, which has one step.
        unsafe { api!(RedisModule_DefragCursorGet)(self.0.as_ptr(), &raw mut cursor) };
        usize::try_from(cursor).unwrap_or(0)
    }

    /// Keeps where this step stopped, which must not be at 0.
    pub(crate) fn set_cursor(&mut self, cursor: usize) {
        debug_assert_ne!(cursor, 0, "the server would take the value for done");
        // SAFETY: as above.
        unsafe { api!(RedisModule_DefragCursorSet)(self.0.as_ptr(), cursor as c_ulong) };
    }

    /// Where an allocation is from now on.
    ///
    /// # Safety
    /// It must be a whole one of the global allocator, and nobody may use
    /// another pointer to it any more.
    unsafe fn moved<T>(&mut self, old: *mut T) -> *mut T {
        // SAFETY: the global allocator is the server's. The server copies all
        // bytes to an allocation as large, and so as well aligned, and frees
        // the old one; or it answers null and has done nothing.
        let new = unsafe { api!(RedisModule_DefragAlloc)(self.0.as_ptr(), old.cast()) };
        if new.is_null() { old } else { new.cast() }
    }
}

impl Mover for Defrag {
    fn value<T>(&mut self, value: Box<T>) -> Box<T> {
        if size_of::<T>() == 0 {
            return value; // is no allocation
        }
        // SAFETY: a box of any size but 0 is one allocation, and has no other
        // owner.
        let place = unsafe { self.moved(Box::into_raw(value)) };
        // SAFETY: that allocation or the copy of it.
        unsafe { Box::from_raw(place) }
    }

    fn slice<T>(&mut self, values: Box<[T]>) -> Box<[T]> {
        if size_of_val(&*values) == 0 {
            return values; // is no allocation
        }
        let len = values.len();
        // SAFETY: as above.
        let start = unsafe { self.moved(Box::into_raw(values).cast::<T>()) };
        // SAFETY: as above; it has as many values as before.
        unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)) }
    }

    fn should_stop(&mut self) -> bool {
        // SAFETY: the context is valid during the callback.
        unsafe { api!(RedisModule_DefragShouldStop)(self.0.as_ptr()) != 0 }
    }
}

/// Registers the data type.
///
/// # Errors
/// If the server refuses.
pub(crate) fn register(ctx: Context<'_>) -> Result<(), String> {
    let mut methods = raw::RedisModuleTypeMethods {
        version: u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION),
        rdb_load: Some(rdb_load),
        rdb_save: Some(rdb_save),
        aof_rewrite: Some(aof_rewrite),
        digest: Some(digest),
        free: Some(free),
        defrag: Some(defrag),
        mem_usage2: Some(mem_usage),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
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
    let (ctx, name) = (ctx.as_ptr(), datatype::NAME.as_ptr());
    let methods = &raw mut methods;
    // SAFETY: this is the context of loading; the server copies the methods.
    let latch_type =
        unsafe { api!(RedisModule_CreateDataType)(ctx, name, datatype::ENCODING, methods) };
    LATCH_TYPE.store(latch_type, Ordering::Relaxed);
    if latch_type.is_null() { Err("the data type".into()) } else { Ok(()) }
}

/// A value as the server keeps it.
///
/// # Safety
/// The pointer must be a value of our type that stays unchanged during `'a`.
unsafe fn latch<'a>(value: *const c_void) -> Option<&'a Latch> {
    // SAFETY: values of our type are boxed latches, made in this file or in
    // `key.rs`.
    unsafe { value.cast::<Latch>().as_ref() }
}

fn boxed(latch: Latch) -> *mut c_void {
    Box::into_raw(Box::new(latch)).cast()
}

unsafe extern "C" fn rdb_load(io: *mut raw::RedisModuleIO, encoding: c_int) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        let Some(mut reader) = NonNull::new(io).map(Reader) else {
            return ptr::null_mut();
        };
        datatype::load(&mut reader, encoding).map_or_else(
            |refusal| {
                reader.log(&refusal);
                ptr::null_mut()
            },
            boxed,
        )
    })
}

unsafe extern "C" fn rdb_save(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes a value of our type.
        if let (Some(io), Some(latch)) = (NonNull::new(io), unsafe { latch(value) }) {
            datatype::save(&mut Writer(io), latch);
        }
    });
}

unsafe extern "C" fn aof_rewrite(
    io: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    guarded((), || {
        // SAFETY: the server passes a key that is valid during this call.
        let key = unsafe { Str::from_raw(key) };
        // SAFETY: the server passes a value of our type.
        let latch = unsafe { latch(value) };
        if let (Some(io), Some(key), Some(latch)) = (NonNull::new(io), key, latch) {
            datatype::rewrite(&mut Writer(io), key, latch);
        }
    });
}

unsafe extern "C" fn digest(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes a value of our type.
        if let (Some(digest), Some(latch)) = (NonNull::new(digest), unsafe { latch(value) }) {
            datatype::digest(&mut Digest(digest), latch);
        }
    });
}

/// May run on the lazy-free thread of the server.
unsafe extern "C" fn free(value: *mut c_void) {
    guarded((), || {
        if !value.is_null() {
            // SAFETY: a value of our type, which nobody else has any more.
            drop(unsafe { Box::from_raw(value.cast::<Latch>()) });
        }
    });
}

/// The server looks for holes in its memory, and lets us close ours. Answers
/// with 1 if that takes another step.
unsafe extern "C" fn defrag(
    ctx: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    guarded(0, || {
        // SAFETY: the server passes a place that holds a value of our type,
        // and that nobody else looks at during this call.
        let place = unsafe { value.cast::<Option<Box<Latch>>>().as_mut() };
        match (NonNull::new(ctx), place) {
            (Some(ctx), Some(latch)) => datatype::defragment(&mut Defrag(ctx), latch).into(),
            _ => 0,
        }
    })
}

unsafe extern "C" fn mem_usage(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
    samples: usize,
) -> usize {
    // SAFETY: the value is one allocation of the server's allocator.
    let own = unsafe { api!(RedisModule_MallocSize)(value.cast_mut()) };
    // SAFETY: the server passes a value of our type.
    let more = unsafe { latch(value) }.map_or(0, |latch| latch.extra_memory(samples));
    own + more
}

/// The number of allocations to free: a latch with many ids goes to the
/// lazy-free thread.
unsafe extern "C" fn free_effort(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> usize {
    // SAFETY: the server passes a value of our type.
    unsafe { latch(value) }.map_or(1, |latch| 1 + latch.arrived())
}

/// A latch leaves its key: it opened, or it was removed in one of many ways.
unsafe extern "C" fn unlink(ctx: *mut raw::RedisModuleKeyOptCtx, value: *const c_void) {
    guarded((), || {
        // SAFETY: the context is valid during this call.
        let db: Db = unsafe { api!(RedisModule_GetDbIdFromOptCtx)(ctx) };
        // SAFETY: as above.
        let name = unsafe { api!(RedisModule_GetKeyNameFromOptCtx)(ctx) };
        // SAFETY: the name is valid during this call.
        let name = unsafe { Str::from_raw(name) };
        // SAFETY: the server passes a value of our type.
        if let (Some(name), Some(latch)) = (name, unsafe { latch(value) }) {
            lifecycle::unlinked(db, name.bytes(), latch);
        }
    });
}

unsafe extern "C" fn copy(
    _ctx: *mut raw::RedisModuleKeyOptCtx,
    value: *const c_void,
) -> *mut c_void {
    guarded(ptr::null_mut(), || {
        // SAFETY: the server passes a value of our type.
        unsafe { latch(value) }.map_or(ptr::null_mut(), |latch| boxed(latch.copy()))
    })
}
