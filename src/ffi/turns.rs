//! Turns of the server's event loop: a task that runs once in each of them,
//! while it has something to do.
//!
//! A socket to ourselves. As long as there is a byte in it, the event loop
//! finds it readable in every turn, among the sockets of the clients. A timer
//! of the module API would do the same at a millisecond a turn, to which the
//! server rounds up what follows a timer.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, ptr};

use redis_module::raw;

use super::context::OK;
use super::guard::guarded;

static SOCKET: OnceLock<Socket> = OnceLock::new();

/// Whether there is a byte in the socket.
static RUNNING: AtomicBool = AtomicBool::new(false);

struct Socket {
    reader: UnixStream,
    writer: UnixStream,
    /// The process of the server: one that it forks shares the socket, may
    /// run commands (of a script that is debugged), and must leave it alone.
    owner: u32,
}

impl Socket {
    fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Self { reader, writer, owner: process::id() })
    }

    /// Takes out what is in it.
    fn drain(&self) {
        while matches!((&self.reader).read(&mut [0; 16]), Ok(1..)) {}
    }
}

/// What is done in a turn.
pub(crate) trait Task {
    /// Runs on the main thread, between commands, with no client; also while a
    /// slow script or a load lets the server look after its clients.
    fn run();
}

/// Makes `T` the task.
///
/// # Errors
/// If there is no socket to be had, or the server refuses it.
pub(crate) fn register<T: Task>() -> Result<(), String> {
    let socket = Socket::new().map_err(|error| format!("a socket: {error}"))?;
    // Never closed: the server does not take it back when the rest fails.
    let socket = SOCKET.get_or_init(|| socket);
    let (fd, run) = (socket.reader.as_raw_fd(), Some(run::<T> as _));
    let readable = raw::REDISMODULE_EVENTLOOP_READABLE.cast_signed();
    // SAFETY: the socket stays open; the task takes no data.
    match unsafe { api!(RedisModule_EventLoopAdd)(fd, readable, run, ptr::null_mut()) } {
        OK => Ok(()),
        _ => Err("a socket in its event loop".into()),
    }
}

/// Runs the task in each turn of the event loop from the next one on.
pub(crate) fn start() {
    if !RUNNING.load(Ordering::Relaxed)
        && let Some(socket) = own_socket()
    {
        let written = (&socket.writer).write_all(&[0]).is_ok();
        RUNNING.store(written, Ordering::Relaxed);
    }
}

/// Does not run the task any more, until it is started again.
pub(crate) fn stop() {
    if RUNNING.load(Ordering::Relaxed)
        && let Some(socket) = own_socket()
    {
        socket.drain();
        RUNNING.store(false, Ordering::Relaxed);
    }
}

fn own_socket() -> Option<&'static Socket> {
    SOCKET.get().filter(|socket| socket.owner == process::id())
}

unsafe extern "C" fn run<T: Task>(_fd: c_int, _data: *mut c_void, _mask: c_int) {
    guarded((), T::run);
}
