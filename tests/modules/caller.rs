//! A module that calls commands on behalf of a client, as modules do: its
//! commands must not be made to wait.
#![allow(missing_docs)] // of what the macro makes

use std::thread;

use redis_module::alloc::RedisAlloc;
use redis_module::{
    Context, NextArg, RedisError, RedisResult, RedisString, RedisValue, ThreadSafeContext,
    redis_module,
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

redis_module! {
    name: "caller",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [
        ["caller.call", call, "write", 0, 0, 0, ""],
        ["caller.thread", call_on_a_thread, "write", 0, 0, 0, ""],
    ],
}
