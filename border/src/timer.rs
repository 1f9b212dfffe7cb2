//! Timers of the server's event loop, and the context they run in.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use redis_module::raw;

use crate::context::{Context, OK};
use crate::panic::guarded;

/// What happens when a time has come.
pub trait Alarm {
    /// Runs on the main thread, between commands, with no client.
    fn ring(ctx: Context<'_>);
}

/// A timer that has been started. It may have fired since.
#[derive(Debug)]
pub struct Timer<A: Alarm> {
    id: raw::RedisModuleTimerID,
    /// Whether it has fired.
    fired: Rc<Cell<bool>>,
    /// When it should have fired, by a clock that only goes forward.
    due: Instant,
    alarm: PhantomData<A>,
}

impl<A: Alarm> Timer<A> {
    /// Starts a timer that fires once, `millis` from now by the clock of the server.
    pub fn start(ctx: Context<'_>, millis: i64) -> Self {
        let fired = Rc::new(Cell::new(false));
        let data = Rc::into_raw(Rc::clone(&fired)).cast_mut().cast();
        let (ctx, fire) = (ctx.as_ptr(), Some(fire::<A> as _));
        // SAFETY: the context is valid; the reference is the server's until it fires, or
        // is stopped.
        let id = unsafe { api!(RedisModule_CreateTimer)(ctx, millis, fire, data) };
        let wait = Duration::from_millis(millis.try_into().unwrap_or(0));
        Self { id, fired, due: Instant::now() + wait, alarm: PhantomData }
    }

    /// Whether it should have fired long ago, and has not.
    pub fn is_late(&self) -> bool {
        /// Far longer than a server needs between two commands.
        const PATIENCE: Duration = Duration::from_millis(100);

        !self.fired.get() && Instant::now() > self.due + PATIENCE
    }

    /// Stops the timer if it has not fired.
    pub fn stop(self, ctx: Context<'_>) {
        if self.fired.get() {
            return; // the server may still have to clear it away itself
        }
        let mut data = ptr::null_mut();
        // SAFETY: the context is valid, and the place is ours.
        let status = unsafe { api!(RedisModule_StopTimer)(ctx.as_ptr(), self.id, &raw mut data) };
        if status == OK {
            // SAFETY: what `start` gave to the server, which has it no more.
            drop(unsafe { Rc::from_raw(data.cast::<Cell<bool>>()) });
        }
    }
}

unsafe extern "C" fn fire<A: Alarm>(ctx: *mut raw::RedisModuleCtx, data: *mut c_void) {
    guarded((), || {
        // SAFETY: what `start` gave to the server, which gives it back once.
        unsafe { Rc::from_raw(data.cast::<Cell<bool>>()) }.set(true);
        // SAFETY: the server passes a context that is valid during this call.
        if let Some(ctx) = unsafe { Context::from_raw(ctx) } {
            A::ring(ctx);
        }
    });
}
