//! Events of the server that end waits, or may seem to.

use std::ffi::{c_char, c_int, c_void};

use redis_module::raw;

use super::context::{Context, OK};
use super::guard::guarded;
use super::load::is_valkey_since_8_1;
use super::string::Str;
use crate::lifecycle;

/// Subscribes to all of them.
///
/// # Errors
/// If the server refuses, with what it refused.
pub(crate) fn subscribe(ctx: Context<'_>) -> Result<(), String> {
    let server_events: [(u64, raw::RedisModuleEventCallback); 5] = [
        (raw::REDISMODULE_EVENT_FLUSHDB, Some(on_flush)),
        (raw::REDISMODULE_EVENT_SWAPDB, Some(on_swap)),
        (raw::REDISMODULE_EVENT_LOADING, Some(on_load)),
        (raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD, Some(on_async_load)),
        (raw::REDISMODULE_EVENT_CRON_LOOP, Some(on_cron)),
    ];
    for (id, callback) in server_events {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: this is the context of loading.
        if unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx.as_ptr(), event, callback) } != OK
        {
            return Err("a subscription to server events".into());
        }
    }
    if !are_expiries_told() {
        return Ok(());
    }
    let (ctx, expired) = (ctx.as_ptr(), raw::REDISMODULE_NOTIFY_EXPIRED);
    // SAFETY: as above.
    match unsafe { api!(RedisModule_SubscribeToKeyspaceEvents)(ctx, expired, Some(on_expired)) } {
        OK => Ok(()),
        _ => Err("a subscription to keyspace events".into()),
    }
}

/// Whether we let ourselves be told of keys that expire. Not by Valkey 8.1 and newer:
/// to call us, 8.1 to 9.1.0 select the database of the key for the client whose command
/// found it expired, and leave it selected (`MOVE`, `COPY … DB`); and all of them call
/// it an expiry when a key is given a time in the past.
///
/// Asking a key that is being removed for its time is no way: a lookup may move what
/// the server is just about to overwrite, and Valkey 8.1 and newer lose it then, or
/// crash.
pub(crate) fn are_expiries_told() -> bool {
    !is_valkey_since_8_1()
}

unsafe extern "C" fn on_flush(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    guarded((), || {
        // SAFETY: this event comes with this structure.
        let info = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() };
        if subevent == raw::REDISMODULE_SUBEVENT_FLUSHDB_START
            && let Some(info) = info
        {
            lifecycle::flushed((info.dbnum >= 0).then_some(info.dbnum));
        }
    });
}

unsafe extern "C" fn on_swap(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    data: *mut c_void,
) {
    guarded((), || {
        // SAFETY: this event comes with this structure.
        if let Some(info) = unsafe { data.cast::<raw::RedisModuleSwapDbInfo>().as_ref() } {
            lifecycle::swapped(info.dbnum_first, info.dbnum_second);
        }
    });
}

unsafe extern "C" fn on_load(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    guarded((), || {
        if matches!(
            subevent,
            raw::REDISMODULE_SUBEVENT_LOADING_ENDED | raw::REDISMODULE_SUBEVENT_LOADING_FAILED
        ) {
            lifecycle::loaded();
        }
    });
}

unsafe extern "C" fn on_async_load(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _data: *mut c_void,
) {
    guarded((), || {
        if subevent == raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED {
            lifecycle::loaded();
        }
    });
}

unsafe extern "C" fn on_cron(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _data: *mut c_void,
) {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call.
        if let Some(ctx) = unsafe { Context::from_raw(ctx) } {
            lifecycle::tick(ctx);
        }
    });
}

unsafe extern "C" fn on_expired(
    ctx: *mut raw::RedisModuleCtx,
    _class: c_int,
    _event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        // SAFETY: the server passes a key that is valid during this call.
        let key = unsafe { Str::from_raw(key) };
        if let (Some(ctx), Some(key)) = (ctx, key) {
            lifecycle::expired(ctx.db(), key.bytes());
        }
    });
    OK
}
