//! Timers of the server's event loop, and the context they run in.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::time::{Duration, Instant};

use redis_module::raw;

use super::context::Context;
use super::guard::guarded;

/// What a timer does.
pub(crate) trait Task {
    /// Runs on the main thread, between commands, with no client.
    fn run(ctx: Context<'_>);
}

/// A timer that has been started. It may have fired since.
#[derive(Debug)]
pub(crate) struct Timer<T: Task> {
    id: raw::RedisModuleTimerID,
    /// When it should have fired, by a clock that only goes forward.
    due: Instant,
    task: PhantomData<T>,
}

impl<T: Task> Timer<T> {
    /// Runs the task once, `millis` from now by the clock of the server.
    pub(crate) fn start(ctx: Context<'_>, millis: i64) -> Self {
        let (ctx, fire) = (ctx.as_ptr(), Some(fire::<T> as _));
        // SAFETY: the context is valid; the task takes no data.
        let id = unsafe { api!(RedisModule_CreateTimer)(ctx, millis, fire, ptr::null_mut()) };
        let wait = Duration::from_millis(millis.try_into().unwrap_or(0));
        Self { id, due: Instant::now() + wait, task: PhantomData }
    }

    /// Whether it should have fired long ago, and has not.
    pub(crate) fn is_late(&self) -> bool {
        /// Far longer than a server needs between two commands.
        const PATIENCE: Duration = Duration::from_millis(100);

        Instant::now() > self.due + PATIENCE
    }

    /// Stops the timer if it has not fired; not to be called by its own task, which
    /// the server has still to clear away.
    pub(crate) fn stop(self, ctx: Context<'_>) {
        // SAFETY: an id of a timer that is no more is an answer, not an
        // accident; null: we do not want the data back.
        unsafe { api!(RedisModule_StopTimer)(ctx.as_ptr(), self.id, ptr::null_mut()) };
    }
}

unsafe extern "C" fn fire<T: Task>(ctx: *mut raw::RedisModuleCtx, _data: *mut c_void) {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call.
        if let Some(ctx) = unsafe { Context::from_raw(ctx) } {
            T::run(ctx);
        }
    });
}
