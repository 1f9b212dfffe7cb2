//! The border to the server: the only folder with `unsafe` in it.
//!
//! Rules, for whoever adds to it:
//!
//! - What is exported is safe to call from the rest of the crate, on the main
//!   thread, in any order.
//! - Every `unsafe` block is one call or access under a `SAFETY:` comment that
//!   names the fact it relies on.
//! - Every function the server calls runs its body in [`guard::guarded`]: a
//!   panic must not reach C, where it would end the server.
//! - A function the server calls does nothing but turn pointers into safe
//!   types and call safe code elsewhere.
//! - Memory that we hand to the server or get back was made by the allocator
//!   of the server, which is the global one of this crate.
//! - Nothing of libc is used that allocates for its caller (`realpath`, `strdup`,
//!   `getaddrinfo`, a backtrace). Valkey 8.1 and newer load a module with a scope
//!   of its own for symbols, and the `free` that it finds need not be the one that
//!   belongs to libc's `malloc`.
#![allow(unsafe_code)]

/// The function pointer of an entry point that every supported server has.
macro_rules! api {
    ($name:ident) => {
        $crate::ffi::load::entry_point(&raw const redis_module::raw::$name, stringify!($name))
    };
}

pub(crate) mod blocking;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod events;
pub(crate) mod guard;
pub(crate) mod info;
pub(crate) mod key;
pub(crate) mod load;
pub(crate) mod shared;
pub(crate) mod slots;
pub(crate) mod string;
pub(crate) mod timer;
pub(crate) mod turns;
pub(crate) mod type_methods;

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: redis_module::alloc::RedisAlloc = redis_module::alloc::RedisAlloc;
