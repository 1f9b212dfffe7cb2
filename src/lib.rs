//! A countdown latch inside Redis and Valkey.
//!
//! Clients wait in `LATCH.AWAIT`, parked in the server; the `LATCH.COUNTDOWN`
//! that brings the count to zero releases them. `docs/architecture.md` tells the life
//! of a wait, and which file has which part of it.

#![forbid(unsafe_code)]
// Not in the manifest: a test may panic wherever it likes.
#![warn(clippy::unwrap_used, clippy::panic, clippy::todo)]

mod args;
mod backlog;
mod commands;
mod config;
mod error;
mod ids;
mod latch;
mod lifecycle;
mod lot;
mod mover;
mod numbers;
mod parking;
mod payload;
mod rebuild;
mod reclaim;
mod removal;
mod section;
mod shadow;
mod slot;
mod stats;
mod sweep;
mod text;
mod time;
mod timeouts;
mod wait;

use std::ffi::CStr;

use border::entry::{Loading, Module};
use border::string::Str;
use border::{data_type, events, info, turns};

use lifecycle::Lifecycle;
use section::LatchSection;

border::module!(LatchModule);

/// The module.
#[derive(Debug)]
struct LatchModule;

impl Module for LatchModule {
    const NAME: &'static CStr = c"latch";

    /// 10203 is 1.2.3.
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

    fn load(loading: &Loading<'_>, args: &[Str<'_>]) -> Result<(), String> {
        config::read_arguments(args)?;
        events::subscribe::<Lifecycle>(loading);
        turns::register::<Lifecycle>(loading)
            .and_then(|()| config::register(loading))
            .and_then(|()| data_type::register::<Lifecycle>(loading))
            .and_then(|()| commands::register(loading))
            .and_then(|()| info::register::<LatchSection>(loading))
            .map_err(|refused| format!("the server refused {refused}"))
    }
}
