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
    /// What the command does with its key, its first argument.
    pub(crate) key: KeyUse,
    pub(crate) args: &'static [Arg],
}

/// What a command does with its key, for ACL rules.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyUse {
    /// Returns something about the value.
    Read,
    /// Changes the value, and returns something about it.
    Update,
    /// Replaces the value, whatever it was.
    Overwrite,
}

/// One argument in the documentation of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arg {
    name: &'static CStr,
    kind: raw::RedisModuleCommandArgType,
    token: Option<&'static CStr>,
    optional: bool,
    choices: &'static [Arg],
}

impl Arg {
    const fn new(name: &'static CStr, kind: raw::RedisModuleCommandArgType) -> Self {
        Self {
            name,
            kind,
            token: None,
            optional: false,
            choices: &[],
        }
    }

    /// The key.
    pub(crate) const fn key() -> Self {
        Self::new(
            c"key",
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
        )
    }

    /// An integer.
    pub(crate) const fn integer(name: &'static CStr) -> Self {
        Self::new(
            name,
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
        )
    }

    /// A number that may have decimals.
    pub(crate) const fn double(name: &'static CStr) -> Self {
        Self::new(
            name,
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE,
        )
    }

    /// A point in time.
    pub(crate) const fn unix_time(name: &'static CStr) -> Self {
        Self::new(
            name,
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME,
        )
    }

    /// A word by itself.
    pub(crate) const fn word(name: &'static CStr, word: &'static CStr) -> Self {
        Self::new(
            name,
            raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
        )
        .after(word)
    }

    /// One of several.
    pub(crate) const fn one_of(name: &'static CStr, choices: &'static [Arg]) -> Self {
        let one_of = raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF;
        Self {
            choices,
            ..Self::new(name, one_of)
        }
    }

    /// The same, after a word.
    pub(crate) const fn after(self, word: &'static CStr) -> Self {
        Self {
            token: Some(word),
            ..self
        }
    }

    /// The same, but it may be left out.
    pub(crate) const fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }
}

/// Registers a command.
///
/// # Errors
/// If the server refuses, with what it refused.
pub(crate) fn register<C: Command>(ctx: Context<'_>) -> Result<(), &'static str> {
    let (name, flags) = (C::SPEC.name.as_ptr(), C::SPEC.flags.as_ptr());
    let raw_ctx = ctx.as_ptr();
    let call = Some(call::<C> as _);
    // SAFETY: the context is the one of loading, and both texts end with a NUL.
    if unsafe { api!(RedisModule_CreateCommand)(raw_ctx, name, call, flags, 1, 1, 1) } != OK {
        return Err("a command");
    }
    // SAFETY: as above.
    let command = unsafe { api!(RedisModule_GetCommand)(raw_ctx, name) };
    describe(command, &C::SPEC)?;
    // SAFETY: written once, before this; see `api`.
    if let Some(set_categories) = unsafe { raw::RedisModule_SetCommandACLCategories } {
        // SAFETY: the command was just created, and the text ends with a NUL.
        if unsafe { set_categories(command, C::SPEC.categories.as_ptr()) } != OK {
            return Err("the ACL categories of a command");
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
    let args = unsafe { Str::list(argv, argc) }
        .get(1..)
        .unwrap_or_default();
    let result = guarded(Err(Error::Internal), || C::run(ctx, Args::new(args)));
    ctx.reply(result.unwrap_or_else(Reply::Error));
    OK
}

/// Hands the documentation to the server, which copies all of it.
fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec) -> Result<(), &'static str> {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1, // REDISMODULE_COMMAND_INFO_VERSION
        sizeof_historyentry: mem::size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: mem::size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: mem::size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut keys = key_specs(spec.key);
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
    let status = unsafe { api!(RedisModule_SetCommandInfo)(command, &raw const info) };
    if status == OK {
        Ok(())
    } else {
        Err("the description of a command")
    }
}

/// The first argument is the only key.
fn key_specs(key: KeyUse) -> [raw::RedisModuleCommandKeySpec; 2] {
    let flags = match key {
        KeyUse::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
        KeyUse::Update => {
            raw::REDISMODULE_CMD_KEY_RW
                | raw::REDISMODULE_CMD_KEY_ACCESS
                | raw::REDISMODULE_CMD_KEY_UPDATE
        }
        KeyUse::Overwrite => raw::REDISMODULE_CMD_KEY_OW | raw::REDISMODULE_CMD_KEY_UPDATE,
    };
    // SAFETY: integers, null pointers and unions of these may all be zero.
    let end: raw::RedisModuleCommandKeySpec = unsafe { mem::zeroed() };
    let mut first = end;
    first.flags = u64::from(flags);
    first.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    first.bs.index = raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_1 { pos: 1 };
    first.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    first.fk.range = raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
        lastkey: 0,
        keystep: 1,
        limit: 0,
    };
    [first, end]
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
    let is_key = arg.kind == raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY;
    raw::RedisModuleCommandArg {
        name: arg.name.as_ptr(),
        type_: arg.kind,
        key_spec_index: if is_key { 0 } else { -1 },
        token: arg.token.map_or(ptr::null(), CStr::as_ptr),
        summary: ptr::null(),
        since: ptr::null(),
        flags: if arg.optional {
            raw::REDISMODULE_CMD_ARG_OPTIONAL.cast_signed()
        } else {
            0
        },
        deprecated_since: ptr::null(),
        subargs,
        display_text: ptr::null(),
    }
}
