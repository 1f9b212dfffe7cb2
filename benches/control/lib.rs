//! The least a module can do with a blocked client: block it on a key, answer
//! it. What a parked client costs here is what the server's blocking API costs
//! any module, and is taken off what `LATCH.AWAIT` costs.
//!
//! - `PLAIN.BLOCK key timeout [word ...]` blocks the client (for ever; the rest is
//!   there so that the server keeps as many words as for `LATCH.AWAIT`).
//! - `PLAIN.WAKE` answers all blocked clients with `OK`, in one go, and replies
//!   their number.
//!
//! Only for the benchmark: a blocked client that leaves before `PLAIN.WAKE`
//! would leave a dangling handle behind.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::Mutex;

use redis_module::{
    Context, RedisError, RedisResult, RedisString, RedisValue, alloc::RedisAlloc, raw, redis_module,
};

struct Handle(*mut raw::RedisModuleBlockedClient);
// SAFETY: only the main thread of the server runs any of this.
unsafe impl Send for Handle {}

static BLOCKED: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

fn block(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let [_, key, _timeout, ..] = args.as_slice() else {
        return Err(RedisError::WrongArity);
    };
    let mut keys = [key.inner];
    // SAFETY: the pointer was set while the module was loaded; the context and
    // the key are those of the running command.
    let handle = unsafe {
        raw::RedisModule_BlockClientOnKeys.expect("every server has it")(
            ctx.get_raw(),
            Some(never_ready),
            Some(answer),
            Some(forget),
            0,
            keys.as_mut_ptr(),
            1,
            ptr::null_mut(),
        )
    };
    BLOCKED.lock().expect("one thread").push(Handle(handle));
    Ok(RedisValue::NoReply)
}

fn wake(_: &Context, _: Vec<RedisString>) -> RedisResult {
    let handles = mem::take(&mut *BLOCKED.lock().expect("one thread"));
    for Handle(handle) in &handles {
        // SAFETY: as above; the client is still blocked, see the top.
        unsafe {
            raw::RedisModule_UnblockClient.expect("every server has it")(*handle, ptr::null_mut())
        };
    }
    Ok(RedisValue::Integer(handles.len().try_into()?))
}

extern "C" fn never_ready(
    _: *mut raw::RedisModuleCtx,
    _: *mut *mut raw::RedisModuleString,
    _: c_int,
) -> c_int {
    1
}

extern "C" fn answer(
    ctx: *mut raw::RedisModuleCtx,
    _: *mut *mut raw::RedisModuleString,
    _: c_int,
) -> c_int {
    // SAFETY: the server passes a valid context; the text ends with a NUL.
    unsafe {
        raw::RedisModule_ReplyWithSimpleString.expect("every server has it")(ctx, c"OK".as_ptr())
    }
}

extern "C" fn forget(_: *mut raw::RedisModuleCtx, _: *mut c_void) {}

redis_module! {
    name: "plain",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [
        ["plain.block", block, "readonly", 1, 1, 1, ""],
        ["plain.wake", wake, "readonly", 0, 0, 0, ""],
    ],
}
