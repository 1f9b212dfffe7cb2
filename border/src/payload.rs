//! Where a value is saved to and loaded from: RDB, AOF, `DUMP`; and its digest.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::slice;

use redis_module::raw;

use crate::log::printable;
use crate::string::{Str, Vector};

/// An RDB payload that a value is being saved to.
#[derive(Debug)]
pub struct Writer(NonNull<raw::RedisModuleIO>);

impl Writer {
    /// # Safety
    /// The IO must be valid as long as this lives.
    pub(crate) unsafe fn from_raw(io: *mut raw::RedisModuleIO) -> Option<Self> {
        NonNull::new(io).map(Self)
    }

    /// Saves an integer.
    pub fn save(&mut self, value: u64) {
        // SAFETY: the IO is valid.
        unsafe { api!(RedisModule_SaveUnsigned)(self.0.as_ptr(), value) };
    }

    /// Saves bytes.
    pub fn save_bytes(&mut self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: as above; `start` points to `len` bytes.
        unsafe { api!(RedisModule_SaveStringBuffer)(self.0.as_ptr(), start, len) };
    }
}

/// An AOF that a value is being written to, in commands.
#[derive(Debug)]
pub struct Rewriter(NonNull<raw::RedisModuleIO>);

impl Rewriter {
    /// # Safety
    /// The IO must be valid as long as this lives.
    pub(crate) unsafe fn from_raw(io: *mut raw::RedisModuleIO) -> Option<Self> {
        NonNull::new(io).map(Self)
    }

    /// Writes a command of a key and further arguments.
    pub fn emit(&mut self, command: &CStr, key: Str<'_>, args: &[&[u8]]) {
        let args = Vector::new(args);
        let (io, command, format) = (self.0.as_ptr(), command.as_ptr(), c"sv".as_ptr());
        let (start, len) = args.parts();
        // SAFETY: `s` takes one string, `v` a pointer to strings and their number.
        unsafe { api!(RedisModule_EmitAOF)(io, command, format, key.as_ptr(), start, len) };
    }
}

/// A payload that is being loaded.
#[derive(Debug)]
pub struct Reader(NonNull<raw::RedisModuleIO>);

impl Reader {
    /// # Safety
    /// The IO must be valid as long as this lives.
    pub(crate) unsafe fn from_raw(io: *mut raw::RedisModuleIO) -> Option<Self> {
        NonNull::new(io).map(Self)
    }

    /// The next integer; `None` if it is missing.
    pub fn load(&mut self) -> Option<u64> {
        // SAFETY: the IO is valid.
        let value = unsafe { api!(RedisModule_LoadUnsigned)(self.0.as_ptr()) };
        (!self.has_failed()).then_some(value)
    }

    /// The next bytes; `None` if they are missing.
    pub fn load_bytes(&mut self) -> Option<Box<[u8]>> {
        let mut len = 0;
        // SAFETY: as above.
        let start = unsafe { api!(RedisModule_LoadStringBuffer)(self.0.as_ptr(), &raw mut len) };
        if start.is_null() || self.has_failed() {
            return None;
        }
        // SAFETY: the server returns an allocation of `len` bytes.
        let bytes = unsafe { slice::from_raw_parts(start.cast::<u8>(), len) }.into();
        // SAFETY: the allocation is ours to free, and we have a copy.
        unsafe { api!(RedisModule_Free)(start.cast()) };
        Some(bytes)
    }

    fn has_failed(&self) -> bool {
        // SAFETY: the IO is valid.
        unsafe { api!(RedisModule_IsIOError)(self.0.as_ptr()) != 0 }
    }

    /// Writes a line to the server log, with what is being loaded.
    pub(crate) fn log(&self, message: &str) {
        let message = printable(message);
        let (level, format) = (c"warning".as_ptr(), c"%s".as_ptr());
        // SAFETY: `%s` takes the one string.
        unsafe { api!(RedisModule_LogIOError)(self.0.as_ptr(), level, format, message.as_ptr()) };
    }
}

/// What makes two values equal, for `DEBUG DIGEST`.
#[derive(Debug)]
pub struct Digest(NonNull<raw::RedisModuleDigest>);

impl Digest {
    /// # Safety
    /// The digest must be valid as long as this lives.
    pub(crate) unsafe fn from_raw(digest: *mut raw::RedisModuleDigest) -> Option<Self> {
        NonNull::new(digest).map(Self)
    }

    /// Adds an integer.
    pub fn add(&mut self, value: i64) {
        // SAFETY: the digest is valid.
        unsafe { api!(RedisModule_DigestAddLongLong)(self.0.as_ptr(), value) };
    }

    /// Adds bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let (start, len) = (bytes.as_ptr().cast(), bytes.len());
        // SAFETY: as above; `start` points to `len` bytes.
        unsafe { api!(RedisModule_DigestAddStringBuffer)(self.0.as_ptr(), start, len) };
    }

    /// Ends a sequence: within one the order counts, between them it does not.
    pub fn end(&mut self) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_DigestEndSequence)(self.0.as_ptr()) };
    }
}
