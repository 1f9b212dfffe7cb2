//! A module that calls commands on behalf of a client, as modules do: its
//! commands must not be made to wait.
#![allow(missing_docs)] // of what the macro makes

use redis_module::alloc::RedisAlloc;
use redis_module::{Context, NextArg, RedisResult, RedisString, redis_module};

/// `CALLER.CALL command [arg ...]`: the reply of that command.
fn call(ctx: &Context, args: Vec<RedisString>) -> RedisResult {
    let mut args = args.into_iter().skip(1);
    let command = args.next_arg()?.to_string_lossy();
    let args: Vec<RedisString> = args.collect();
    ctx.call(&command, args.iter().collect::<Vec<_>>().as_slice())
}

redis_module! {
    name: "caller",
    version: 1,
    allocator: (RedisAlloc, RedisAlloc),
    data_types: [],
    commands: [
        ["caller.call", call, "write", 0, 0, 0, ""],
    ],
}
