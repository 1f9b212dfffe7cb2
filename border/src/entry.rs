//! Loading a module.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::fmt;
use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use redis_module::raw;

use crate::context::{Context, ERR, OK};
use crate::log::{log_warning, make_detached_context};
use crate::panic::{guarded, log_panics};
use crate::string::Str;
use crate::turns;
use crate::version::is_valkey;

/// A module.
pub trait Module {
    /// Its name, and that of its settings up to the dot.
    const NAME: &'static CStr;
    /// Its version as `MODULE LIST` shows it.
    const VERSION: i32;

    /// Registers everything, when the server loads the module with `args`.
    ///
    /// # Errors
    /// Why the module is not loaded: a line for the log.
    fn load(loading: &Loading<'_>, args: &[Str<'_>]) -> Result<(), String>;
}

/// The module is being loaded: what registers something asks for this.
pub struct Loading<'a> {
    ctx: Context<'a>,
    /// What is left for the end, when nothing can be refused any more.
    subscriptions: RefCell<Vec<Subscription>>,
}

/// What subscribes to something, and returns what the server refuses.
pub(crate) type Subscription = fn(&Loading<'_>) -> Result<(), String>;

impl fmt::Debug for Loading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loading(..)")
    }
}

impl Loading<'_> {
    pub(crate) fn as_ptr(&self) -> *mut raw::RedisModuleCtx {
        self.ctx.as_ptr()
    }

    /// Subscribes once all else is registered. Redis 7.0 does not take back a subscription
    /// if the module is not loaded then, and would call into one that is gone.
    pub(crate) fn subscribe_last(&self, subscription: Subscription) {
        self.subscriptions.borrow_mut().push(subscription);
    }
}

/// Makes this package the module that a type describes, which implements
/// [`Module`](entry::Module): defines what the server calls, and the allocator. Unit
/// tests, which have no server, keep their own.
#[macro_export]
macro_rules! module {
    ($module:ty) => {
        #[cfg(not(test))]
        #[global_allocator]
        static ALLOCATOR: $crate::reexports::RedisAlloc = $crate::reexports::RedisAlloc;

        /// What the server calls first.
        ///
        /// # Safety
        /// Only the server may call it, with what the module API says.
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)] // the name that the server looks for
        pub unsafe extern "C" fn RedisModule_OnLoad(
            ctx: *mut $crate::reexports::RedisModuleCtx,
            argv: *mut *mut $crate::reexports::RedisModuleString,
            argc: ::std::ffi::c_int,
        ) -> ::std::ffi::c_int {
            // SAFETY: the server's own arguments.
            unsafe { $crate::entry::on_load::<$module>(ctx, argv, argc) }
        }

        /// See [`on_unload`]($crate::entry::on_unload).
        #[unsafe(no_mangle)]
        #[allow(non_snake_case)] // the name that the server looks for
        pub extern "C" fn RedisModule_OnUnload() -> ::std::ffi::c_int {
            $crate::entry::on_unload()
        }
    };
}

/// An entry point that every supported server has: for the macro `api` only.
pub(crate) fn there<F>(entry: Option<F>, name: &str) -> F {
    entry.unwrap_or_else(|| {
        // Cannot be: `is_supported` would have refused to load.
        eprintln!("the server has no {name}");
        std::process::abort()
    })
}

/// The name of the module that has been loaded.
static NAME: OnceLock<&CStr> = OnceLock::new();

/// The name of this module.
pub(crate) fn name() -> &'static str {
    NAME.get().and_then(|name| name.to_str().ok()).unwrap_or_default()
}

/// The thread that loads modules and serves clients.
static MAIN_THREAD: OnceLock<ThreadId> = OnceLock::new();

/// Whether this is that thread, not one of another module.
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

/// Loads a module: what `RedisModule_OnLoad` does, see [`module!`](crate::module).
///
/// # Safety
/// Only the server may call it, with what the module API says.
pub unsafe fn on_load<M: Module>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    guarded(ERR, || {
        // No allocation before this: the allocator is the server's.
        let (name, api) = (M::NAME.as_ptr(), raw::REDISMODULE_APIVER_1.cast_signed());
        // SAFETY: the server passes its context; the name ends with a NUL.
        let status = unsafe { raw::Export_RedisModule_Init(ctx, name, M::VERSION, api) };
        // SAFETY: the server passes a context that is valid during this call.
        let (true, Some(ctx)) = (status == OK, unsafe { Context::from_raw(ctx) }) else {
            // The only thing that the server refuses, and it has no words for it.
            let name = M::NAME.to_string_lossy();
            log_warning(&format!("{name} was not loaded: a module of this name is loaded already"));
            return ERR;
        };
        // SAFETY: `argc` strings that are valid during this call.
        let args = unsafe { Str::list(argv, argc) };
        match begin::<M>(ctx, args) {
            Ok(()) => OK,
            Err(refusal) => {
                log_warning(&refusal);
                ERR
            }
        }
    })
}

/// Refuses to be unloaded once something is in the server's event loop, which cannot be
/// taken out: what `RedisModule_OnUnload` does, see [`module!`](crate::module).
///
/// The server asks only when it has found an argument of `MODULE LOADEX` wrong that it passes
/// to none: a module with a data type is never unloaded. Redis 7.2 and newer abort if that is
/// refused.
pub fn on_unload() -> c_int {
    guarded(ERR, || if turns::is_in_event_loop() { ERR } else { OK })
}

/// # Errors
/// Why the module is not loaded.
fn begin<M: Module>(ctx: Context<'_>, args: &[Str<'_>]) -> Result<(), String> {
    let name = M::NAME.to_string_lossy();
    if !is_supported() {
        return Err(format!("{name} needs Redis 7.0 or newer, or Valkey 7.2 or newer"));
    }
    NAME.get_or_init(|| M::NAME);
    log_panics();
    MAIN_THREAD.get_or_init(|| thread::current().id());
    make_detached_context(ctx);
    turns::note_process();
    set_options(ctx);
    let loading = Loading { ctx, subscriptions: RefCell::default() };
    M::load(&loading, args)
        .and_then(|()| loading.subscriptions.take().iter().try_for_each(|it| it(&loading)))
        .map_err(|refusal| format!("{name} was not loaded: {refusal}"))
}

/// Tells the server what this module takes care of itself.
fn set_options(ctx: Context<'_>) {
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
