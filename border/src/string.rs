//! Strings of the server.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::slice;

use redis_module::raw;

use crate::context::OK;

/// An argument of a command, or the name of a key: borrowed from the server.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Str<'a>(NonNull<raw::RedisModuleString>, PhantomData<&'a ()>);

impl<'a> Str<'a> {
    /// # Safety
    /// The string must stay alive and unchanged during `'a`.
    pub(crate) unsafe fn from_raw(string: *const raw::RedisModuleString) -> Option<Self> {
        NonNull::new(string.cast_mut()).map(|string| Self(string, PhantomData))
    }

    /// A list of strings as the server passes them.
    ///
    /// # Safety
    /// `argv` must be `argc` strings that live during `'a`.
    pub(crate) unsafe fn list(argv: *mut *mut raw::RedisModuleString, argc: c_int) -> &'a [Self] {
        let argc = usize::try_from(argc).unwrap_or(0);
        if argv.is_null() || argc == 0 {
            return &[];
        }
        // SAFETY: `Self` is a transparent non-null pointer, and the server
        // passes `argc` of them, none null.
        unsafe { slice::from_raw_parts(argv.cast::<Self>(), argc) }
    }

    /// The bytes, for as long as the string lives.
    pub fn bytes(self) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: the string is alive during `'a`.
        let start = unsafe { api!(RedisModule_StringPtrLen)(self.0.as_ptr(), &raw mut len) };
        // SAFETY: the server returns `len` bytes that live with the string.
        unsafe { slice::from_raw_parts(start.cast(), len) }
    }

    /// An integer as core Redis writes and reads it, if it is one.
    pub(crate) fn integer(self) -> Option<i64> {
        let mut number = 0;
        // SAFETY: the string is alive during `'a`, and the place is ours.
        let status =
            unsafe { api!(RedisModule_StringToLongLong)(self.0.as_ptr(), &raw mut number) };
        (status == OK).then_some(number)
    }

    pub(crate) fn as_ptr(self) -> *mut raw::RedisModuleString {
        self.0.as_ptr()
    }

    /// The same for a call in which the server may show it to another module. That may
    /// trim the memory of the string, which moves it, while its bytes are lent here.
    pub(crate) fn for_others(self) -> Shown<'a> {
        /// What a client has sent is in one piece with its header up to so many bytes, and
        /// there is nothing to trim (`OBJ_ENCODING_EMBSTR_SIZE_LIMIT`). Not so, now and
        /// then, what a script or an AOF has made.
        const IN_ONE_PIECE: usize = 44;

        match self.bytes() {
            short if short.len() <= IN_ONE_PIECE => Shown::Itself(self),
            long => Shown::Copy(OwnedStr::new(long)),
        }
    }
}

/// A string that other modules may see.
#[derive(Debug)]
pub(crate) enum Shown<'a> {
    Itself(Str<'a>),
    Copy(OwnedStr),
}

impl Shown<'_> {
    pub(crate) fn as_ptr(&self) -> *mut raw::RedisModuleString {
        match self {
            Self::Itself(string) => string.as_ptr(),
            Self::Copy(string) => string.as_str().as_ptr(),
        }
    }
}

impl AsRef<[u8]> for Str<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// A string of the server that we made.
#[derive(Debug)]
pub struct OwnedStr(NonNull<raw::RedisModuleString>);

impl OwnedStr {
    /// A string of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let start: *const c_char = bytes.as_ptr().cast();
        // SAFETY: `start` points to as many bytes; the server copies them.
        let string = unsafe { api!(RedisModule_CreateString)(ptr::null_mut(), start, bytes.len()) };
        // The server ends itself when it has no memory; it never returns null.
        Self(NonNull::new(string).expect("a new string"))
    }

    /// The string, borrowed.
    pub fn as_str(&self) -> Str<'_> {
        Str(self.0, PhantomData)
    }
}

impl Drop for OwnedStr {
    fn drop(&mut self) {
        // SAFETY: we made it, and the server counts references of its own.
        unsafe { api!(RedisModule_FreeString)(ptr::null_mut(), self.0.as_ptr()) }
    }
}

impl Clone for OwnedStr {
    /// The same string, with one reference more.
    fn clone(&self) -> Self {
        // SAFETY: it is alive. Without a context the server counts the reference.
        unsafe { api!(RedisModule_RetainString)(ptr::null_mut(), self.0.as_ptr()) };
        Self(self.0)
    }
}

impl AsRef<[u8]> for OwnedStr {
    fn as_ref(&self) -> &[u8] {
        self.as_str().bytes()
    }
}

impl From<&[u8]> for OwnedStr {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

/// Strings of the server that we made, for a call that takes several (`v` in
/// the formats of the module API).
#[derive(Debug)]
pub(crate) struct Vector {
    _strings: Vec<OwnedStr>,
    pointers: Vec<*mut raw::RedisModuleString>,
}

impl Vector {
    pub(crate) fn new(strings: &[&[u8]]) -> Self {
        let strings: Vec<_> = strings.iter().map(|bytes| OwnedStr::new(bytes)).collect();
        let pointers = strings.iter().map(|string| string.as_str().as_ptr()).collect();
        Self { _strings: strings, pointers }
    }

    /// What the server reads, as long as this lives.
    pub(crate) fn parts(&self) -> (*const *mut raw::RedisModuleString, usize) {
        (self.pointers.as_ptr(), self.pointers.len())
    }
}
