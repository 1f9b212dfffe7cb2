//! Loading the module.

use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::thread::{self, ThreadId};

use redis_module::raw;

use super::context::{Context, ERR, OK};
use super::guard::{guarded, log_panics};
use super::string::Str;

/// The name of the module, and of its settings up to the dot.
const NAME: &CStr = c"latch";

/// The function behind an entry point of the server; for the `api` macro
/// only, which passes one of the pointers of `redis_module::raw`.
pub(super) fn entry_point<F: Copy>(pointer: *const Option<F>, name: &str) -> F {
    // SAFETY: the pointers are written once, while the module is loaded,
    // before the server can call anything else in this crate.
    unsafe { *pointer }.unwrap_or_else(|| {
        // Cannot be: `is_supported` would have refused to load.
        eprintln!("latch: the server has no {name}");
        std::process::abort()
    })
}

/// A context that is no callback's, for what has none: made while loading,
/// and kept until the server ends.
static DETACHED: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(ptr::null_mut());

/// The context of this module for where a callback has none.
pub(crate) fn detached_context() -> Option<Context<'static>> {
    // SAFETY: the detached context is never freed.
    unsafe { Context::from_raw(DETACHED.load(Ordering::Relaxed)) }
}

/// Writes a line to the server log.
pub(super) fn log_warning(message: &str) {
    // What somebody sent may be in it, and must not look like a line.
    let message = CString::new(message.replace(char::is_control, "?")).unwrap_or_default();
    let ctx = DETACHED.load(Ordering::Relaxed);
    // The message is an argument, not the format: it may have a `%`.
    let (level, format) = (c"warning".as_ptr(), c"%s".as_ptr());
    // SAFETY: the context is null, which is allowed, or never freed; `%s` takes the
    // one string.
    unsafe { api!(RedisModule_Log)(ctx, level, format, message.as_ptr()) };
}

/// The thread that loads modules and serves clients.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Whether this callback is not one on a thread of another module.
pub(crate) fn is_main_thread() -> bool {
    MAIN_THREAD.get() == Some(&thread::current().id())
}

/// Whether the server has what only Redis 7.0 and Valkey bring.
fn is_supported() -> bool {
    macro_rules! all_there {
        ($($name:ident)*) => {
            // SAFETY: the pointers were just written, by `Export_RedisModule_Init`.
            true $(&& unsafe { raw::$name }.is_some())*
        };
    }
    all_there!(
        RedisModule_RegisterNumericConfig
        RedisModule_LoadConfigs
        RedisModule_SetCommandInfo
        RedisModule_GetCommand
        RedisModule_SetAbsExpire
        RedisModule_GetDbIdFromOptCtx
        RedisModule_GetDetachedThreadSafeContext
        RedisModule_EventLoopAdd
        RedisModule_MallocSize
    )
}

/// What the server calls first.
///
/// # Safety
/// Only the server may call it, with what the module API says.
#[unsafe(no_mangle)]
#[allow(non_snake_case)] // the name the server looks for
pub(crate) unsafe extern "C" fn RedisModule_OnLoad(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // No allocation before this: the allocator is the server's.
    let (name, api) = (NAME.as_ptr(), raw::REDISMODULE_APIVER_1.cast_signed());
    // SAFETY: the server passes its context; the name ends with a NUL.
    if unsafe { raw::Export_RedisModule_Init(ctx, name, crate::VERSION, api) } != OK {
        // The only thing that this refuses, and it has no words for it.
        log_warning("latch was not loaded: a module of this name is loaded already");
        return ERR;
    }
    guarded(ERR, || {
        // SAFETY: the server passes a context that is valid during this call.
        let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
            return ERR;
        };
        if !is_supported() {
            log_warning("latch needs Redis 7.0 or newer, or Valkey 7.2 or newer");
            return ERR;
        }
        // SAFETY: `argc` strings that are valid during this call.
        let args = unsafe { Str::list(argv, argc) };
        log_panics();
        MAIN_THREAD.get_or_init(|| thread::current().id());
        // SAFETY: this is the context of loading.
        let detached = unsafe { api!(RedisModule_GetDetachedThreadSafeContext)(ctx.as_ptr()) };
        DETACHED.store(detached, Ordering::Relaxed);
        match crate::load(ctx, args) {
            Ok(()) => OK,
            Err(refusal) => {
                log_warning(&format!("latch was not loaded: {refusal}"));
                ERR
            }
        }
    })
}

/// Tells the server what this module takes care of itself.
pub(crate) fn set_options(ctx: Context<'_>) {
    /// Of Valkey 9, which else refuses to move slots while we are loaded. It
    /// means that we do not mind keys that arrive or leave with their slot.
    const HANDLE_ATOMIC_SLOT_MIGRATION: u32 = 1 << 5;

    let mut options = raw::REDISMODULE_OPTIONS_HANDLE_IO_ERRORS
        | raw::REDISMODULE_OPTIONS_HANDLE_REPL_ASYNC_LOAD
        | raw::REDISMODULE_OPTION_NO_IMPLICIT_SIGNAL_MODIFIED;
    if is_valkey() {
        options |= HANDLE_ATOMIC_SLOT_MIGRATION;
    }
    // SAFETY: this is the context of loading.
    unsafe { api!(RedisModule_SetModuleOptions)(ctx.as_ptr(), options.cast_signed()) };
}

/// Whether the server is Valkey 8.1 or newer.
pub(super) fn is_valkey_since_8_1() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        // SAFETY: takes no arguments and needs no context.
        let version = unsafe { api!(RedisModule_GetServerVersion)() };
        is_valkey() && version >= 0x08_01_00
    })
}

/// Only Valkey offers its entry points under its own name.
fn is_valkey() -> bool {
    let mut found: *mut std::ffi::c_void = ptr::null_mut();
    let name = c"ValkeyModule_GetServerVersion".as_ptr();
    let place = (&raw mut found).cast();
    // SAFETY: the server writes one pointer to the place, if it knows the name.
    unsafe { api!(RedisModule_GetApi)(name, place) == OK }
}
