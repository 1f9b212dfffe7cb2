//! Registering commands: how the server calls them, and what it tells about
//! them in `COMMAND INFO`, `COMMAND DOCS` and ACL rules.

use std::ffi::{CStr, c_int};
use std::mem;
use std::ptr;

use redis_module::raw;

use super::context::{Context, ERR, OK, Reply};
use super::guard::guarded;
use super::string::Str;
use crate::args::Args;
use crate::error::Error;

/// One command.
pub(crate) trait Command {
    /// What the server is told about it.
    const SPEC: Spec;

    /// Runs it. An error is sent to the client, and must mean that nothing
    /// has changed.
    fn run(ctx: Context<'_>, args: Args<'_, Str<'_>>) -> Result<Reply, Error>;
}

/// What the server is told about a command.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static CStr,
    /// Command flags of the module API, separated by spaces.
    pub(crate) flags: &'static CStr,
    /// ACL categories; servers before Redis 7.2 have none for modules.
    pub(crate) categories: &'static CStr,
    pub(crate) summary: &'static CStr,
    pub(crate) complexity: &'static CStr,
    /// The version of this module that had it first.
    pub(crate) since: &'static CStr,
    /// The number of arguments with the name; negative: at least so many.
    pub(crate) arity: c_int,
    /// Where the keys of the command are, and what it does with them.
    pub(crate) keys: KeyUse,
    pub(crate) args: &'static [Arg],
}

/// Which arguments of a command are keys, and what it does with them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyUse {
    place: KeyPlace,
    flags: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyPlace {
    None,
    /// The first argument.
    First,
    /// As many as the second argument says, after it.
    Counted,
}

impl KeyUse {
    /// There are none.
    pub(crate) const NONE: Self = Self { place: KeyPlace::None, flags: 0 };
    /// Of one key, it returns something about the value.
    pub(crate) const READ: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
    };
    /// The same of several keys.
    pub(crate) const READ_MANY: Self = Self { place: KeyPlace::Counted, ..Self::READ };
    /// It changes the value of one key, and returns something about it.
    pub(crate) const UPDATE: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_RW
            | raw::REDISMODULE_CMD_KEY_ACCESS
            | raw::REDISMODULE_CMD_KEY_UPDATE,
    };
    /// It replaces the value of one key, whatever it was.
    pub(crate) const OVERWRITE: Self = Self {
        place: KeyPlace::First,
        flags: raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE,
    };

    /// First, last and step, as commands had it before Redis 7.
    fn range(self) -> (c_int, c_int, c_int) {
        match self.place {
            KeyPlace::First => (1, 1, 1),
            KeyPlace::None | KeyPlace::Counted => (0, 0, 0),
        }
    }
}

/// One argument in the documentation of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg {
    name: &'static CStr,
    kind: raw::RedisModuleCommandArgType,
    token: Option<&'static CStr>,
    optional: bool,
    repeated: bool,
    choices: &'static [Arg],
}

impl Arg {
    const fn new(name: &'static CStr, kind: raw::RedisModuleCommandArgType) -> Self {
        Self { name, kind, token: None, optional: false, repeated: false, choices: &[] }
    }

    /// The key.
    pub(crate) const fn key() -> Self {
        Self::new(c"key", raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY)
    }

    /// An integer.
    pub(crate) const fn integer(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER)
    }

    /// Any text.
    pub(crate) const fn string(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING)
    }

    /// A number that may have decimals.
    pub(crate) const fn double(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE)
    }

    /// A point in time.
    pub(crate) const fn unix_time(name: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME)
    }

    /// A word by itself.
    pub(crate) const fn word(name: &'static CStr, word: &'static CStr) -> Self {
        Self::new(name, raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN).after(word)
    }

    /// One of several.
    pub(crate) const fn one_of(name: &'static CStr, choices: &'static [Arg]) -> Self {
        let one_of = raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF;
        Self { choices, ..Self::new(name, one_of) }
    }

    /// The same, after a word.
    pub(crate) const fn after(self, word: &'static CStr) -> Self {
        Self { token: Some(word), ..self }
    }

    /// The same, one or more times.
    pub(crate) const fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    /// The same, but it may be left out.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Registers a command.
///
/// # Errors
/// If the server refuses, with what it refused.
pub(crate) fn register<C: Command>(ctx: Context<'_>) -> Result<(), String> {
    let refused = |what: &str| format!("{what} {}", C::SPEC.name.to_string_lossy());
    let (name, flags) = (C::SPEC.name.as_ptr(), C::SPEC.flags.as_ptr());
    let raw_ctx = ctx.as_ptr();
    let call = Some(call::<C> as _);
    let (first, last, step) = C::SPEC.keys.range();
    // SAFETY: the context is the one of loading, and both texts end with a NUL.
    let status =
        unsafe { api!(RedisModule_CreateCommand)(raw_ctx, name, call, flags, first, last, step) };
    if status != OK {
        return Err(refused("the command"));
    }
    // SAFETY: as above.
    let command = unsafe { api!(RedisModule_GetCommand)(raw_ctx, name) };
    if describe(command, &C::SPEC) != OK {
        return Err(refused("the description of"));
    }
    // SAFETY: written once, before this; see `api`.
    if let Some(set_categories) = unsafe { raw::RedisModule_SetCommandACLCategories } {
        // SAFETY: the command was just created, and the text ends with a NUL.
        if unsafe { set_categories(command, C::SPEC.categories.as_ptr()) } != OK {
            return Err(refused("the ACL categories of"));
        }
    }
    Ok(())
}

unsafe extern "C" fn call<C: Command>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    // SAFETY: the server passes a context that is valid during this call.
    let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
        return ERR;
    };
    // SAFETY: the server passes `argc` strings that are valid during this call.
    let args = unsafe { Str::list(argv, argc) }.get(1..).unwrap_or_default();
    if C::SPEC.keys.place == KeyPlace::Counted && asks_for_keys(ctx) {
        guarded((), || tell_counted_keys(ctx, args));
        return OK;
    }
    let result = guarded(Err(Error::Internal), || C::run(ctx, Args::new(args)));
    ctx.reply(result.unwrap_or_else(Reply::Error));
    OK
}

/// Whether the server does not want the command to run, but to be told where
/// its keys are. Redis 7.0 routes by that in a cluster, not by key
/// specifications; it asks commands with the flag `getkeys-api`.
fn asks_for_keys(ctx: Context<'_>) -> bool {
    // SAFETY: the context is valid.
    unsafe { api!(RedisModule_IsKeysPositionRequest)(ctx.as_ptr()) != 0 }
}

/// The keys of `KeyPlace::Counted`; none if their number makes no sense.
fn tell_counted_keys(ctx: Context<'_>, args: &[Str<'_>]) {
    let mut cursor = Args::new(args);
    let keys = cursor.next().and_then(|_timeout| cursor.keys()).unwrap_or_default();
    // The name of the command, the timeout and the number come before them.
    for position in (3..).take(keys.len()) {
        // SAFETY: the context is one of such a question, and there are as
        // many arguments.
        unsafe { api!(RedisModule_KeyAtPos)(ctx.as_ptr(), position) };
    }
}

/// Hands the documentation to the server, which copies all of it.
fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec) -> c_int {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1, // REDISMODULE_COMMAND_INFO_VERSION
        sizeof_historyentry: mem::size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: mem::size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: mem::size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut keys = key_specs(spec.keys);
    let mut choices = Vec::new();
    let mut args = arguments(spec.args, &mut choices);
    let info = raw::RedisModuleCommandInfo {
        version: &raw const version,
        summary: spec.summary.as_ptr(),
        complexity: spec.complexity.as_ptr(),
        since: spec.since.as_ptr(),
        history: ptr::null_mut(),
        tips: ptr::null(),
        arity: spec.arity,
        key_specs: keys.as_mut_ptr(),
        args: args.as_mut_ptr(),
    };
    // SAFETY: the command was just created; all pointers are valid during the
    // call, and the lists end with an empty entry.
    unsafe { api!(RedisModule_SetCommandInfo)(command, &raw const info) }
}

/// The one specification of keys, and the empty entry that ends the list; or
/// just that.
fn key_specs(keys: KeyUse) -> Vec<raw::RedisModuleCommandKeySpec> {
    // SAFETY: integers, null pointers and unions of these may all be zero.
    let end: raw::RedisModuleCommandKeySpec = unsafe { mem::zeroed() };
    let mut spec = end;
    spec.flags = u64::from(keys.flags);
    spec.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    match keys.place {
        KeyPlace::None => return vec![end],
        KeyPlace::First => {
            spec.bs.index = raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: 1 };
            spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
            spec.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
                lastkey: 0,
                keystep: 1,
                limit: 0,
            };
        }
        KeyPlace::Counted => {
            spec.bs.index = raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: 2 };
            spec.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_KEYNUM;
            spec.fk.keynum = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_2 {
                keynumidx: 0,
                firstkey: 1,
                keystep: 1,
            };
        }
    }
    vec![spec, end]
}

/// The arguments as the server wants them: a list with an empty entry at its
/// end. The lists of their choices are kept alive in `lists`.
fn arguments(
    args: &[Arg],
    lists: &mut Vec<Vec<raw::RedisModuleCommandArg>>,
) -> Vec<raw::RedisModuleCommandArg> {
    let mut list: Vec<_> = args.iter().map(|arg| argument(arg, lists)).collect();
    // SAFETY: integers and null pointers may be zero.
    list.push(unsafe { mem::zeroed() });
    list
}

fn argument(
    arg: &Arg,
    lists: &mut Vec<Vec<raw::RedisModuleCommandArg>>,
) -> raw::RedisModuleCommandArg {
    let subargs = if arg.choices.is_empty() {
        ptr::null_mut()
    } else {
        let mut choices = arguments(arg.choices, lists);
        let start = choices.as_mut_ptr();
        lists.push(choices); // moves the list, not what it points to
        start
    };
    let optional = if arg.optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
    let repeated = if arg.repeated { raw::REDISMODULE_CMD_ARG_MULTIPLE } else { 0 };
    let flags = optional | repeated;
    let is_key = arg.kind == raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY;
    raw::RedisModuleCommandArg {
        name: arg.name.as_ptr(),
        type_: arg.kind,
        key_spec_index: if is_key { 0 } else { -1 },
        token: arg.token.map_or(ptr::null(), CStr::as_ptr),
        summary: ptr::null(),
        since: ptr::null(),
        flags: flags.cast_signed(),
        deprecated_since: ptr::null(),
        subargs,
        display_text: ptr::null(),
    }
}
