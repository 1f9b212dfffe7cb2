//! Turns of the server's event loop: a task that runs at the end of each of them,
//! while it has something to do.
//!
//! The end of a turn, where the server is about to sleep, is never within a
//! command: not in a slow script, a load or another module's command, during
//! which the server looks after its clients in turns of another kind. A socket to
//! ourselves keeps the server from sleeping: as long as there is a byte in it, the
//! event loop finds it readable. A timer of the module API would do the same at a
//! millisecond a turn, to which the server rounds up what follows a timer.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, ptr};

use redis_module::raw;

use super::context::{Context, OK};
use super::guard::guarded;
use super::load::detached_context;

/// What is done at the end of a turn.
pub(crate) trait Task {
    /// Runs on the main thread, between commands, with no client. Answers whether
    /// there is more to do.
    fn run(ctx: Context<'_>) -> bool;
}

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
static SOCKET: OnceLock<Socket> = OnceLock::new();

struct Socket {
    reader: UnixStream,
    writer: UnixStream,
}

impl Socket {
    /// A socket in the event loop of the server.
    fn new<T: Task>() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        let (fd, awake) = (reader.as_raw_fd(), Some(on_awake::<T> as _));
        let readable = raw::REDISMODULE_EVENTLOOP_READABLE.cast_signed();
        // SAFETY: the socket stays open if the server takes it; there is no data.
        match unsafe { api!(RedisModule_EventLoopAdd)(fd, readable, awake, ptr::null_mut()) } {
            OK => Ok(Self { reader, writer }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Takes out what is in it.
    fn drain(&self) {
        while matches!((&self.reader).read(&mut [0; 16]), Ok(1..)) {}
    }
}

/// To be called while loading: notes whose process this is.
pub(crate) fn register() {
    OWNER.get_or_init(process::id);
}

/// Runs the task at the end of this turn of the event loop and of each that
/// follows, until it has no more to do.
pub(crate) fn start<T: Task>() {
    NEEDED.store(true, Ordering::Relaxed);
    let armed = ARMED.load(Ordering::Relaxed);
    if (armed && SOCKET.get().is_some()) || OWNER.get() != Some(&process::id()) {
        return;
    }
    if !armed {
        subscribe(Some(on_turn::<T>));
        ARMED.store(true, Ordering::Relaxed);
    }
    if let Some(socket) = socket::<T>() {
        // Not written: there is a byte in it already.
        let _ = (&socket.writer).write(&[0]);
    }
}

/// The socket, made if need be and if it can be.
fn socket<T: Task>() -> Option<&'static Socket> {
    if SOCKET.get().is_none() {
        let made = Socket::new::<T>().ok()?;
        return Some(SOCKET.get_or_init(|| made));
    }
    SOCKET.get()
}

/// Wants to be told of the ends of turns, or no more.
fn subscribe(callback: raw::RedisModuleEventCallback) {
    let event = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_EVENTLOOP, dataver: 1 };
    if let Some(ctx) = detached_context() {
        // SAFETY: the context is valid and of this module.
        unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx.as_ptr(), event, callback) };
    }
}

unsafe extern "C" fn on_turn<T: Task>(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    let ends = subevent == raw::REDISMODULE_SUBEVENT_EVENTLOOP_BEFORE_SLEEP;
    if ends && NEEDED.load(Ordering::Relaxed) {
        let more = guarded(false, || {
            // SAFETY: the server passes a context that is valid during this call.
            let ctx = unsafe { Context::from_raw(ctx) };
            ctx.is_some_and(T::run)
        });
        NEEDED.store(more, Ordering::Relaxed);
    }
}

/// The server has found the socket readable: in a turn, or while a command lets it
/// look after its clients.
unsafe extern "C" fn on_awake<T: Task>(_fd: c_int, _data: *mut c_void, _mask: c_int) {
    guarded((), || {
        if !NEEDED.load(Ordering::Relaxed)
            && let Some(socket) = SOCKET.get()
        {
            socket.drain();
            subscribe(None);
            ARMED.store(false, Ordering::Relaxed);
        }
    });
}
