//! Turns of the server's event loop: a task that runs at the end of each of them,
//! while it has something to do.
//!
//! The end of a turn, where the server is about to sleep, is never within a
//! command: not in a slow script, a load or another module's command, during
//! which the server looks after its clients in turns of another kind. A descriptor of
//! ours keeps the server from sleeping: as long as it is raised, the event loop finds
//! it readable. A timer of the module API would do the same at a millisecond a turn,
//! to which the server rounds up what follows a timer.

use std::ffi::{c_int, c_void};
use std::process;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use crate::context::{Context, OK};
use crate::entry::Loading;
use crate::lock::Locked;
use crate::panic::{caught, guarded};
use crate::wake::Wake;

/// What is done at the end of a turn.
pub trait Task {
    /// Runs on the main thread, between commands, with no client. Returns whether
    /// there is more to do.
    fn run(ctx: Context<'_>) -> bool;
}

/// The task of this module.
static TASK: OnceLock<fn(Context<'_>) -> bool> = OnceLock::new();

/// Whether the task has something to do.
static NEEDED: AtomicBool = AtomicBool::new(false);

/// Whether the server tells us of the ends of turns, and is kept awake. Outlives
/// `NEEDED` by a turn: a subscription cannot be given up from within.
static ARMED: AtomicBool = AtomicBool::new(false);

/// The process of the server. One that it forks shares the event loop's
/// descriptors, may run commands (of a script that is debugged), and must leave
/// them alone.
static OWNER: OnceLock<u32> = OnceLock::new();

/// Made when it is first needed: a module that is not loaded in the end leaves
/// nothing open. Never closed. As long as there is none to be had, a server with
/// nothing else to do has ten turns a second.
static WAKE: OnceLock<Wake> = OnceLock::new();

/// To be called while loading: notes whose process this is.
pub(crate) fn note_process() {
    OWNER.get_or_init(process::id);
}

/// Registers the task of this module.
///
/// # Errors
/// If it has one.
pub fn register<T: Task>(_loading: &Loading<'_>) -> Result<(), String> {
    TASK.set(T::run).map_err(|_| "a second task".into())
}

/// Whether there is an end of a turn to come before much else happens: not while a dataset is
/// loaded, and never in a process that the server has forked.
pub fn are_ahead(ctx: Context<'_>) -> bool {
    !ctx.is_loading() && is_owner()
}

/// Whether this process is the server, and none that it has forked.
fn is_owner() -> bool {
    OWNER.get() == Some(&process::id())
}

/// Runs the task at the end of this turn of the event loop and of each that
/// follows, until it has no more to do.
pub fn start(lock: Locked<'_>) {
    NEEDED.store(true, Ordering::Relaxed);
    let armed = ARMED.load(Ordering::Relaxed);
    if (armed && WAKE.get().is_some()) || !is_owner() {
        return;
    }
    if !armed {
        subscribe(lock, Some(on_turn));
        ARMED.store(true, Ordering::Relaxed);
    }
    if let Some(wake) = wake() {
        wake.raise();
    }
}

/// Whether the descriptor is in the event loop of the server.
pub(crate) fn is_in_event_loop() -> bool {
    WAKE.get().is_some()
}

/// The descriptor, made if need be and if it can be.
fn wake() -> Option<&'static Wake> {
    if WAKE.get().is_none() {
        let wake = Wake::new().ok()?;
        let readable = raw::REDISMODULE_EVENTLOOP_READABLE.cast_signed();
        let (fd, awake) = (wake.fd(), Some(on_awake as _));
        // SAFETY: the descriptor stays open if the server takes it; there is no data.
        if unsafe { api!(RedisModule_EventLoopAdd)(fd, readable, awake, ptr::null_mut()) } == OK {
            WAKE.get_or_init(|| wake);
        }
    }
    WAKE.get()
}

/// Wants to be told of the ends of turns, or no more.
fn subscribe(lock: Locked<'_>, callback: raw::RedisModuleEventCallback) {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_EVENTLOOP, dataver: 1 };
    if let Some(ctx) = Context::detached(lock) {
        // SAFETY: the context is valid and of this module.
        unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx.as_ptr(), event, callback) };
    }
}

unsafe extern "C" fn on_turn(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    guarded((), || {
        let ends = subevent == raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP;
        if ends && NEEDED.load(Ordering::Relaxed) {
            // SAFETY: the server passes a context that is valid during this call.
            let ctx = unsafe { Context::from_raw(ctx) };
            let run = || ctx.zip(TASK.get()).is_some_and(|(ctx, run)| run(ctx));
            // A task that panics is not run again: it would panic in each turn.
            NEEDED.store(false, Ordering::Relaxed);
            if caught(false, run) {
                NEEDED.store(true, Ordering::Relaxed);
            }
        }
    });
}

/// The server has found the descriptor readable: in a turn, or while a command lets it
/// look after its clients.
unsafe extern "C" fn on_awake(_fd: c_int, _data: *mut c_void, _mask: c_int) {
    guarded((), || {
        if !NEEDED.load(Ordering::Relaxed)
            && let Some(wake) = WAKE.get()
        {
            wake.lower();
            // SAFETY: the event loop runs under the lock of the server.
            subscribe(unsafe { Locked::new() }, None);
            ARMED.store(false, Ordering::Relaxed);
        }
    });
}
