//! The border to the server: what a module with blocking commands and a data type
//! needs of the module API of Redis and Valkey, in safe Rust.
//!
//! This is the only package with `unsafe` in it, and it knows nothing of the module
//! that it serves. That one implements the traits of the border, and names itself
//! with [`module!`]:
//!
//! | the server | the module |
//! |---|---|
//! | loads it | [`entry::Module`] |
//! | calls a command | [`command::Command`] |
//! | answers a blocked client, and is done with it | [`blocking::Wait`] |
//! | stores, saves, copies and removes a value | [`data_type::DataType`] |
//! | tells of what happens to the dataset | [`events::Events`] |
//! | ends a turn of its event loop | [`turns::Task`] |
//! | finds that a time has come | [`timer::Alarm`] |
//! | is asked for `INFO` | [`info::Section`] |
//!
//! What keeps it safe, and what keeps that true:
//!
//! - A callback holds the lock of the server. [`lock::Locked`] is the proof of that, and
//!   cannot leave the callback; what needs the lock asks for it.
//! - No panic reaches C: the body of each function that the server calls runs in
//!   `guarded`. `tests/house.rs` of the module reads the source for it.
//! - No value is saved in part: a panic then ends the process that saves.
//! - A value in the keyspace is lent by a [`key::Key`]. There is one at a time, and
//!   none while the server may run somebody else's code; nor as a value is unlinked or
//!   expires, or a blocked client gets its reply: all is asserted.
//! - Only a command has a [`command::Call`]: the client is answered or blocked once, and
//!   only what writes is propagated.
//! - Only a module that is being loaded has an [`entry::Loading`], which everything that
//!   registers something asks for. Subscriptions come last.
//! - A handle and a timer that are kept too long do nothing.
//! - What the server frees was made by its own allocator, which is the global one of
//!   the module.
//!
//! Kept by care only:
//!
//! - What is in a [`lock::Shared`] and not `Send` must not be kept in a thread-local. The
//!   module's clippy.toml forbids those.
//! - In a crash report nothing may be allocated ([`info::Section::show`]).
//! - No type in the heap needs an alignment above 16: the allocator knows no other.
//! - A module that is shown the name of a key, and trims its memory, moves bytes that are
//!   lent here. It is shown a copy of those that can be trimmed; but of a short name that a
//!   script has made, at times the name itself.
//! - A module that deletes a key in the event `new`, as that is made, has some servers use it
//!   after that.

/// The entry point of this name, which every supported server has.
macro_rules! api {
    ($name:ident) => {
        $crate::entry::there(redis_module::raw::$name, stringify!($name))
    };
}

pub mod blocking;
pub mod command;
pub mod config;
pub mod context;
pub mod data_type;
pub mod defrag;
mod description;
pub mod entry;
pub mod events;
pub mod info;
pub mod key;
pub mod lock;
mod log;
mod panic;
pub mod payload;
pub mod propagation;
pub mod reply;
pub mod spec;
pub mod string;
pub mod timer;
pub mod turns;
mod version;
mod wake;

/// What [`module!`] needs.
#[doc(hidden)]
pub mod reexports {
    pub use redis_module::alloc::RedisAlloc;
    pub use redis_module::raw::{RedisModuleCtx, RedisModuleString};
}
