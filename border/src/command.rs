//! Commands: how the server calls them.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_int};
use std::ops::Deref;

use redis_module::raw;

use crate::context::{Context, ERR, OK};
use crate::description::describe;
use crate::entry::Loading;
use crate::panic::{caught, guarded};
use crate::reply::{Refusal, Reply};
use crate::spec::{KeyPlace, KeyUse, Spec};
use crate::string::Str;

/// One command.
pub trait Command {
    /// Why it may be refused.
    type Error: Into<Refusal>;

    /// What the server is told about it.
    const SPEC: &'static Spec;

    /// Runs it, with the arguments that follow its name.
    ///
    /// # Errors
    /// What the client is told; nothing may have changed then.
    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Self::Error>;
}

/// A command that is running: its context, and what can be done once.
///
/// Its client gets one answer: what the command returns, unless the client has been
/// blocked or answered through this.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    ctx: Context<'a>,
    spec: &'static Spec,
    is_answered: &'a Cell<bool>,
}

impl<'a> Deref for Call<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        &self.ctx
    }
}

impl Call<'_> {
    /// From here on the client gets nothing of what the command returns. False if that was
    /// so already.
    pub(crate) fn claim(self) -> bool {
        !self.is_answered.replace(true)
    }

    /// Takes that back: it came to nothing.
    pub(crate) fn unclaim(self) {
        self.is_answered.set(false);
    }

    /// # Panics
    /// If the command is not one that writes: the server may be paused for those.
    pub(crate) fn assert_writes(self) {
        let mut flags = self.spec.flags.to_bytes().split(|byte| *byte == b' ');
        assert!(flags.any(|flag| flag == b"write"), "only a command that writes is propagated");
    }
}

/// A command in a list of several.
#[derive(Debug)]
pub struct Entry {
    /// What the server is told about it.
    pub spec: &'static Spec,
    call: raw::RedisModuleCmdFunc,
}

impl Entry {
    /// The entry of a command.
    pub const fn of<C: Command>() -> Self {
        Self { spec: C::SPEC, call: Some(call::<C>) }
    }

    /// Registers the command.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn register(&self, loading: &Loading<'_>) -> Result<(), String> {
        let &Self { spec, call } = self;
        let refused = |what: &str| Err(format!("{what} {}", spec.name.to_string_lossy()));
        let (name, flags, ctx) = (spec.name.as_ptr(), flags(spec), loading.as_ptr());
        let (first, last, step) = range(spec.keys);
        // SAFETY: the context is the one of loading, and both texts end with a NUL.
        let status = unsafe {
            api!(RedisModule_CreateCommand)(ctx, name, call, flags.as_ptr(), first, last, step)
        };
        if status != OK {
            return refused("the command");
        }
        // SAFETY: as above.
        let command = unsafe { api!(RedisModule_GetCommand)(ctx, name) };
        if command.is_null() || describe(command, spec) != OK {
            return refused("the description of");
        }
        // SAFETY: written once, before this; see `api`.
        if let Some(set_categories) = unsafe { raw::RedisModule_SetCommandACLCategories } {
            // SAFETY: the command was just created, and the text ends with a NUL.
            if unsafe { set_categories(command, spec.categories.as_ptr()) } != OK {
                return refused("the ACL categories of");
            }
        }
        Ok(())
    }
}

/// The flags of a command.
fn flags(spec: &Spec) -> Cow<'static, CStr> {
    if spec.keys.place != KeyPlace::Counted {
        return Cow::Borrowed(spec.flags);
    }
    // Of those that answer the question for keys: others would run.
    let flags = [spec.flags.to_bytes(), b" getkeys-api"].concat();
    Cow::Owned(CString::new(flags).unwrap_or_default())
}

/// First, last and step of the keys, as commands had it before Redis 7.
fn range(keys: KeyUse) -> (c_int, c_int, c_int) {
    match keys.place {
        KeyPlace::First => (1, 1, 1),
        KeyPlace::None | KeyPlace::Counted => (0, 0, 0),
    }
}

unsafe extern "C" fn call<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    guarded(ERR, || {
        // SAFETY: the server passes `argc` strings that are valid during this call.
        let args = unsafe { Str::list(argv, argc) }.get(1..).unwrap_or_default();
        // SAFETY: the server passes a context that is valid during this call.
        if unsafe { api!(RedisModule_IsKeysPositionRequest)(ctx) } != 0 {
            if C::SPEC.keys.place == KeyPlace::Counted {
                tell_counted_keys(ctx, args);
            }
            return OK;
        }
        // SAFETY: as above.
        if unsafe { api!(RedisModule_IsChannelsPositionRequest)(ctx) } != 0 {
            return OK; // there are none
        }
        // SAFETY: as above; this is a command, so the server is locked.
        let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
            return ERR;
        };
        let (flags, is_answered) = (Cell::new(None), Cell::new(false));
        let ctx = ctx.keeping(&flags);
        let call = Call { ctx, spec: C::SPEC, is_answered: &is_answered };
        let reply = caught(None, || {
            Some(C::run(call, args).unwrap_or_else(|error| Reply::Error(error.into())))
        });
        if !is_answered.get() {
            ctx.reply(reply.unwrap_or_else(|| Reply::Error(Refusal::of_a_bug())));
        }
        OK
    })
}

/// Tells the server the keys of `KeyPlace::Counted`; none if their number makes no sense.
///
/// Redis 7.0 routes by that in a cluster, not by key specifications. It asks commands with
/// the flag `getkeys-api`; newer ones do so without the lock, on threads that read.
fn tell_counted_keys(ctx: *mut raw::RedisModuleCtx, args: &[Str<'_>]) {
    let [_, number, rest @ ..] = args else {
        return;
    };
    let number = number.integer().and_then(|number| usize::try_from(number).ok());
    if let Some(number) = number.filter(|number| *number <= rest.len()) {
        // The name of the command, the first argument and the number come before them.
        for position in (3..).take(number) {
            // SAFETY: the context is one of such a question, and there are as
            // many arguments.
            unsafe { api!(RedisModule_KeyAtPos)(ctx, position) };
        }
    }
}
