//! What the server tells of that happens to values and to the dataset.

use std::ffi::{c_char, c_int, c_void};

use redis_module::raw;

use crate::context::{Context, OK};
use crate::data_type::DataType;
use crate::entry::Loading;
use crate::key::with_none_to_open;
use crate::lock::Locked;
use crate::panic::guarded;
use crate::string::Str;
use crate::version::is_valkey_since_8_1;

/// Who is told.
pub trait Events {
    /// The values that this is about.
    type Value: DataType;

    /// A value leaves its key, in one of many ways. To look at a key from here panics: Valkey
    /// 8.1 and newer hold a place in the keyspace that a lookup may move, and lose what they
    /// are about to write there, or crash.
    fn unlinked(lock: Locked<'_>, db: c_int, key: &[u8], value: &Self::Value);
    /// A database is emptied, or all are (`None`). This comes from `FLUSHDB` and
    /// `FLUSHALL`, and before a dataset is loaded in place of the old one.
    fn flushed(lock: Locked<'_>, db: Option<c_int>);
    /// Two databases changed places.
    fn swapped(lock: Locked<'_>, a: c_int, b: c_int);
    /// A dataset is about to be loaded.
    fn loading(lock: Locked<'_>);
    /// A dataset has been loaded, or could not be.
    fn loaded(lock: Locked<'_>);
    /// A key expired, if [`are_expiries_told`]. Its value was unlinked just before. To look at
    /// a key from here panics: the command that found it expired goes on with its place.
    fn expired(lock: Locked<'_>, db: c_int, key: &[u8]);
    /// Comes several times a second, by a clock that only goes forward.
    fn tick(ctx: Context<'_>);
}

/// Has the module told of all but [`Events::unlinked`], which comes with the data type.
pub fn subscribe<E: Events>(loading: &Loading<'_>) {
    loading.subscribe_last(subscribe_now::<E>);
}

fn subscribe_now<E: Events>(loading: &Loading<'_>) -> Result<(), String> {
    let ctx = loading.as_ptr();
    for id in [
        raw::REDISMODULE_EVENT_FLUSHDB,
        raw::REDISMODULE_EVENT_SWAPDB,
        raw::REDISMODULE_EVENT_LOADING,
        raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
        raw::REDISMODULE_EVENT_CRON_LOOP,
    ] {
        let event = raw::RedisModuleEvent { id, dataver: 1 };
        // SAFETY: this is the context of loading.
        let status =
            unsafe { api!(RedisModule_SubscribeToServerEvent)(ctx, event, Some(on_event::<E>)) };
        if status != OK {
            return Err("a subscription to server events".into());
        }
    }
    if !are_expiries_told() {
        return Ok(());
    }
    let (class, told) = (raw::REDISMODULE_NOTIFY_EXPIRED, on_expired::<E>);
    // SAFETY: as above.
    match unsafe { api!(RedisModule_SubscribeToKeyspaceEvents)(ctx, class, Some(told)) } {
        OK => Ok(()),
        _ => Err("a subscription to keyspace events".into()),
    }
}

/// Whether we let ourselves be told of keys that expire. Not by Valkey 8.1 and newer:
/// to call us, 8.1 to 9.1.0 select the database of the key for the client whose command
/// found it expired, and leave it selected (`MOVE`, `COPY … DB`); and all of them call
/// it an expiry when a key is given a time in the past.
pub fn are_expiries_told() -> bool {
    !is_valkey_since_8_1()
}

unsafe extern "C" fn on_event<E: Events>(
    ctx: *mut raw::RedisModuleCtx,
    event: raw::RedisModuleEvent,
    subevent: u64,
    data: *mut c_void,
) {
    guarded((), || {
        // SAFETY: the server passes a context that is valid during this call.
        let Some(ctx) = (unsafe { Context::from_raw(ctx) }) else {
            return;
        };
        match (event.id, subevent) {
            (raw::REDISMODULE_EVENT_FLUSHDB, raw::REDISMODULE_SUBEVENT_FLUSHDB_START) => {
                // SAFETY: this event comes with this structure.
                if let Some(info) = unsafe { data.cast::<raw::RedisModuleFlushInfo>().as_ref() } {
                    E::flushed(ctx.lock(), (info.dbnum >= 0).then_some(info.dbnum));
                }
            }
            (raw::REDISMODULE_EVENT_SWAPDB, _) => {
                // SAFETY: as above.
                if let Some(info) = unsafe { data.cast::<raw::RedisModuleSwapDbInfo>().as_ref() } {
                    E::swapped(ctx.lock(), info.dbnum_first, info.dbnum_second);
                }
            }
            (
                raw::REDISMODULE_EVENT_LOADING,
                raw::REDISMODULE_SUBEVENT_LOADING_RDB_START
                | raw::REDISMODULE_SUBEVENT_LOADING_AOF_START
                | raw::REDISMODULE_SUBEVENT_LOADING_REPL_START,
            )
            | (
                raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
                raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_STARTED,
            ) => E::loading(ctx.lock()),
            (
                raw::REDISMODULE_EVENT_LOADING,
                raw::REDISMODULE_SUBEVENT_LOADING_ENDED | raw::REDISMODULE_SUBEVENT_LOADING_FAILED,
            )
            | (
                raw::REDISMODULE_EVENT_REPL_ASYNC_LOAD,
                raw::REDISMODULE_SUBEVENT_REPL_ASYNC_LOAD_COMPLETED,
            ) => E::loaded(ctx.lock()),
            (raw::REDISMODULE_EVENT_CRON_LOOP, _) => E::tick(ctx),
            _ => {}
        }
    });
}

unsafe extern "C" fn on_expired<E: Events>(
    ctx: *mut raw::RedisModuleCtx,
    _class: c_int,
    _event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    guarded(OK, || {
        // SAFETY: the server passes a context that is valid during this call.
        let ctx = unsafe { Context::from_raw(ctx) };
        // SAFETY: the server passes a key that is valid during this call.
        let key = unsafe { Str::from_raw(key) };
        if let (Some(ctx), Some(key)) = (ctx, key) {
            with_none_to_open(|| E::expired(ctx.lock(), ctx.db(), key.bytes()));
        }
        OK
    })
}
