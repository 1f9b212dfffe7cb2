//! The section of a module in `INFO`.

use std::ffi::{CStr, c_int};
use std::ptr;

use redis_module::raw;

use crate::context::OK;
use crate::entry::Loading;
use crate::lock::Locked;
use crate::panic::guarded;

/// The section of a module.
pub trait Section {
    /// Shows all fields, of which the server puts the name of the module before each name.
    ///
    /// `lock` is missing in a crash report. That is written by a signal handler, on any
    /// thread, in the middle of anything: there nothing may be used that needs the lock,
    /// nor any memory be allocated.
    fn show(fields: &mut Fields, lock: Option<Locked<'_>>);
}

/// Where fields are shown.
#[derive(Debug)]
pub struct Fields(*mut raw::RedisModuleInfoCtx);

impl Fields {
    /// Shows a text.
    pub fn text(&mut self, name: &CStr, text: &CStr) {
        // SAFETY: the context is valid during the callback, both texts end with a NUL.
        unsafe { api!(RedisModule_InfoAddFieldCString)(self.0, name.as_ptr(), text.as_ptr()) };
    }

    /// Shows a number.
    pub fn number(&mut self, name: &CStr, number: u64) {
        // SAFETY: as above.
        unsafe { api!(RedisModule_InfoAddFieldULongLong)(self.0, name.as_ptr(), number) };
    }
}

/// Registers the section.
///
/// # Errors
/// If the server refuses.
pub fn register<S: Section>(loading: &Loading<'_>) -> Result<(), String> {
    // SAFETY: this is the context of loading.
    let status = unsafe { api!(RedisModule_RegisterInfoFunc)(loading.as_ptr(), Some(show::<S>)) };
    if status == OK { Ok(()) } else { Err("an INFO section".into()) }
}

unsafe extern "C" fn show<S: Section>(ctx: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call;
        // a section without a name has the one of the module.
        if unsafe { api!(RedisModule_InfoAddSection)(ctx, ptr::null()) } != OK {
            return; // not asked for
        }
        // SAFETY: without a crash this is the command `INFO`, or a call of it.
        let lock = (for_crash_report == 0).then(|| unsafe { Locked::new() });
        S::show(&mut Fields(ctx), lock);
    });
}
