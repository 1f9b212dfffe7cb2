//! A module that calls commands on behalf of a client, as modules do: its
//! commands must not be made to wait.
#![allow(missing_docs)] // of what the macro makes
#![allow(unsafe_code)] // as modules do

use std::mem;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use redis_module::alloc::RedisAlloc;
use redis_module::{
    Context, NextArg, NotifyEvent, RedisError, RedisResult, RedisString, RedisValue,
    ThreadSafeContext, raw, redis_module,
};

/// `CALLER.CALL command [arg ...]`: the reply of that command.
fn call(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let command = args.next_arg()?.to_string_lossy();
    let args: Vec<RedisString> = args.collect();
    ctx.call(&command, args.iter().collect::<Vec<_>>().as_slice())
}

/// `CALLER.THREAD command [arg ...]`: calls it on a thread of this module, which
/// takes the lock of the server for that.
fn call_on_a_thread(_: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut words = args.iter().skip(1).map(|word| word.to_string_lossy());
    let command = words.next().ok_or(RedisError::WrongArity)?;
    let args: Vec<_> = words.collect();
    thread::spawn(move || {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        // What comes of it is for the test to see.
        drop(ThreadSafeContext::new().lock().call(&command, args.as_slice()));
    });
    Ok(RedisValue::SimpleStringStatic("OK"))
}

/// `CALLER.YIELD ms command [arg ...]`: calls it, and then lets the server look
/// after its clients for so many ms before it replies.
fn call_and_yield(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let time = Duration::from_millis(args.next_u64()?);
    let command = args.next_arg()?.to_string_lossy();
    let args: Vec<RedisString> = args.collect();
    let reply = ctx.call(&command, args.iter().collect::<Vec<_>>().as_slice());
    let begun = Instant::now();
    while begun.elapsed() < time {
        yield_to_clients(ctx);
    }
    reply
}

fn yield_to_clients(ctx: &Context) {
    let flags = raw::REDISMODULE_YIELD_FLAG_CLIENTS.cast_signed();
    // SAFETY: the pointer was written when this module was loaded.
    let entry = unsafe { raw::RedisModule_Yield };
    let yield_now = entry.expect("of Redis 7.0 and newer");
    // SAFETY: the context is the one of a command; the text ends with a NUL.
    unsafe { yield_now(ctx.get_raw(), flags, c"a slow command".as_ptr()) };
}

/// An event, and what is to be called from within it, by `CALLER.ONCE`.
static ONCE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// `CALLER.ONCE event command [arg ...]`: calls it at the next such event, from within
/// that.
fn call_at_the_next_event(_: &Context, args: Vec<RedisString>) -> RedisResult {
    let words = args.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    *ONCE.lock().expect("nobody panics") = words;
    Ok(RedisValue::SimpleStringStatic("OK"))
}

fn on_event(ctx: &Context, _: NotifyEvent, event: &str, _: &[u8]) {
    let words = {
        let mut once = ONCE.lock().expect("nobody panics");
        if once.first().is_none_or(|awaited| awaited != event) {
            return;
        }
        mem::take(&mut *once)
    };
    if let [_, command, args @ ..] = words.as_slice() {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        // What comes of it is for the test to see.
        drop(ctx.call(command, args.as_slice()));
    }
}

redis_module! {
    name: "caller",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [
        ["caller.call", call, "write", 0, 0, 0, ""],
        ["caller.thread", call_on_a_thread, "write", 0, 0, 0, ""],
        ["caller.once", call_at_the_next_event, "write", 0, 0, 0, ""],
        ["caller.yield", call_and_yield, "write", 0, 0, 0, ""],
    ],
    event_handlers: [
        [@NEW @MODULE: on_event],
    ],
}
