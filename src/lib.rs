//! A countdown latch inside Redis and Valkey.
//!
//! Clients wait in `LATCH.AWAIT`, parked in the server; the `LATCH.COUNTDOWN`
//! that brings the count to zero releases them. The life of a wait is in
//! `commands/await.rs` and `waiters.rs`; `docs/architecture.md` has the map.

// Not in the manifest: a test may panic wherever it likes.
#![warn(clippy::unwrap_used, clippy::panic, clippy::todo)]

mod args;
mod commands;
mod config;
mod datatype;
mod deadlines;
mod defrag;
mod error;
mod ffi;
mod ids;
mod info;
mod latch;
mod lifecycle;
mod parking;
mod shadow;
mod slot;
mod stats;
mod sweep;
mod waiters;

use ffi::context::Context;
use ffi::string::Str;

/// The version of the module as a number, as `MODULE LIST` shows it: 10203 is
/// 1.2.3.
const VERSION: i32 = {
    const fn number(text: &str) -> i32 {
        match i32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => unreachable!(), // cargo would not have built it
        }
    }
    10_000 * number(env!("CARGO_PKG_VERSION_MAJOR"))
        + 100 * number(env!("CARGO_PKG_VERSION_MINOR"))
        + number(env!("CARGO_PKG_VERSION_PATCH"))
};

/// Registers everything, when the server loads the module with `args`.
///
/// # Errors
/// What is wrong with the arguments, or what the server refused.
fn load(ctx: Context<'_>, args: &[Str<'_>]) -> Result<(), String> {
    config::read_arguments(args)?;
    ffi::load::set_options(ctx);
    ffi::turns::register();
    // What can be refused for a user's mistake comes first: Redis 7.0 does not
    // take back a subscription when the rest fails, and would call into a
    // module that is gone.
    config::register(ctx)
        .and_then(|()| ffi::type_methods::register(ctx))
        .and_then(|()| commands::register(ctx))
        .and_then(|()| ffi::info::register(ctx))
        .and_then(|()| ffi::events::subscribe(ctx))
        .map_err(|refused| format!("the server refused {refused}"))
}
