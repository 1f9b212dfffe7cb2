//! The `INFO` section of this module.

use std::ffi::c_int;
use std::ptr;

use redis_module::raw;

use super::context::{Context, OK};
use super::guard::guarded;
use crate::info;

/// Registers the section.
///
/// # Errors
/// If the server refuses.
pub(crate) fn register(ctx: Context<'_>) -> Result<(), String> {
    // SAFETY: this is the context of loading.
    let status = unsafe { api!(RedisModule_RegisterInfoFunc)(ctx.as_ptr(), Some(show)) };
    if status == OK { Ok(()) } else { Err("an INFO section".into()) }
}

/// May run in a crash report: anything that is not there is left out.
unsafe extern "C" fn show(ctx: *mut raw::RedisModuleInfoCtx, _for_crash_report: c_int) {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call;
        // a section without a name has the one of the module.
        if unsafe { api!(RedisModule_InfoAddSection)(ctx, ptr::null()) } != OK {
            return; // not asked for
        }
        let (name, version) = (c"version".as_ptr(), info::VERSION.as_ptr());
        // SAFETY: the context is valid, both texts end with a NUL.
        unsafe { api!(RedisModule_InfoAddFieldCString)(ctx, name, version) };
        info::numbers(|name, value| {
            // SAFETY: as above.
            unsafe { api!(RedisModule_InfoAddFieldULongLong)(ctx, name.as_ptr(), value) };
        });
    });
}
