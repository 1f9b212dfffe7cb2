//! Turns of the server's event loop: a task that runs once in each of them,
//! while it has something to do.
//!
//! A pipe to ourselves. As long as there is a byte in it, the event loop finds
//! it readable in every turn, among the sockets of the clients. A timer of the
//! module API would do the same at a millisecond a turn, to which the server
//! rounds up what follows a timer.

use std::ffi::{c_int, c_void};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use super::context::OK;
use super::guard::guarded;

static PIPE: OnceLock<(PipeReader, PipeWriter)> = OnceLock::new();

/// Whether the byte is in the pipe.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Makes `T` the task. The last thing to be done while loading: the server
/// does not take it back when the rest fails.
///
/// # Errors
/// If there is no pipe to be had, or the server refuses it.
pub(crate) fn register<T: Task>() -> Result<(), String> {
    let pipe = pipe().map_err(|error| format!("a pipe: {error}"))?;
    let (fd, run) = (pipe.0.as_raw_fd(), Some(run::<T> as _));
    let readable = raw::REDISMODULE_EVENTLOOP_READABLE.cast_signed();
    // Kept before it is watched: it must not be closed as long as it is.
    PIPE.set(pipe).map_err(|_| "a second pipe")?;
    // SAFETY: the pipe stays open; the task takes no data.
    match unsafe { api!(RedisModule_EventLoopAdd)(fd, readable, run, ptr::null_mut()) } {
        OK => Ok(()),
        _ => Err("a pipe in its event loop".into()),
    }
}

/// What is done in a turn.
pub(crate) trait Task {
    /// Runs on the main thread, between commands, with no client; also while a
    /// slow script or a load lets the server look after its clients.
    fn run();
}

/// Runs the task in each turn of the event loop from the next one on.
pub(crate) fn start() {
    if let Some((_, writer)) = PIPE.get()
        && !RUNNING.load(Ordering::Relaxed)
    {
        let written = (&*writer).write_all(&[0]).is_ok();
        RUNNING.store(written, Ordering::Relaxed);
    }
}

/// Does not run the task any more, until it is started again.
pub(crate) fn stop() {
    if let Some((reader, _)) = PIPE.get()
        && RUNNING.swap(false, Ordering::Relaxed)
    {
        let _it_was_there = (&*reader).read_exact(&mut [0]);
    }
}

unsafe extern "C" fn run<T: Task>(_fd: c_int, _data: *mut c_void, _mask: c_int) {
    guarded((), T::run);
}
