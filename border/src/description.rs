//! A [`Spec`] as the server wants it, for `COMMAND INFO` and `COMMAND DOCS`.

use std::ffi::{CStr, c_int};
use std::{mem, ptr};

use redis_module::raw;

use crate::spec::{Arg, KeyPlace, KeyUse, Kind, Spec};

/// Hands the description of a command to the server, which copies all of it.
pub(crate) fn describe(command: *mut raw::RedisModuleCommand, spec: &Spec) -> c_int {
    let version = raw::RedisModuleCommandInfoVersion {
        version: 1, // REDISMODULE_COMMAND_INFO_VERSION
        sizeof_historyentry: mem::size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: mem::size_of::<raw::RedisModuleCommandKeySpec>(),
        sizeof_arg: mem::size_of::<raw::RedisModuleCommandArg>(),
    };
    let mut keys = key_specs(spec.keys);
    let mut lists = Vec::new();
    let mut args = arguments(spec.args, &mut lists);
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

/// Arguments with an empty entry at their end. The lists of their choices are kept alive
/// in `lists`.
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
    let subargs = match arg.kind {
        Kind::OneOf(choices) => {
            let mut choices = arguments(choices, lists);
            let start = choices.as_mut_ptr();
            lists.push(choices); // moves the list, not what it points to
            start
        }
        _ => ptr::null_mut(),
    };
    let optional = if arg.is_optional { raw::REDISMODULE_CMD_ARG_OPTIONAL } else { 0 };
    let repeated = if arg.is_repeated { raw::REDISMODULE_CMD_ARG_MULTIPLE } else { 0 };
    let flags = optional | repeated;
    raw::RedisModuleCommandArg {
        name: arg.name.as_ptr(),
        type_: kind(arg.kind),
        key_spec_index: if arg.kind == Kind::Key { 0 } else { -1 },
        token: arg.word.map_or(ptr::null(), CStr::as_ptr),
        summary: ptr::null(),
        since: ptr::null(),
        flags: flags.cast_signed(),
        deprecated_since: ptr::null(),
        subargs,
        display_text: ptr::null(),
    }
}

fn kind(kind: Kind) -> raw::RedisModuleCommandArgType {
    match kind {
        Kind::Key => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY,
        Kind::Integer => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER,
        Kind::String => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING,
        Kind::Double => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_DOUBLE,
        Kind::UnixTime => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME,
        Kind::Word => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN,
        Kind::OneOf(_) => raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF,
    }
}
