//! Which server this is.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::OnceLock;

use crate::context::OK;

/// Whether the server is Valkey 8.1 or newer.
pub(crate) fn is_valkey_since_8_1() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        // SAFETY: takes no arguments and needs no context.
        let version = unsafe { api!(RedisModule_GetServerVersion)() };
        is_valkey() && version >= 0x08_01_00
    })
}

/// Whether the server is Valkey: only that offers its entry points under its own name.
pub(crate) fn is_valkey() -> bool {
    !find(c"ValkeyModule_GetServerVersion").is_null()
}

/// An entry point that the bindings do not know; null if the server does not either.
pub(crate) fn find(name: &CStr) -> *mut c_void {
    let mut found: *mut c_void = ptr::null_mut();
    let place = (&raw mut found).cast();
    // SAFETY: the server writes one pointer to the place, if it knows the name.
    let known = unsafe { api!(RedisModule_GetApi)(name.as_ptr(), place) == OK };
    if known { found } else { ptr::null_mut() }
}
