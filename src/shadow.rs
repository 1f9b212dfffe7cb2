//! The name that clients are blocked under in the server: no key.
//!
//! We release clients by handle, so the server never has to find them by key.
//! Blocking on the key itself would make the server look through all of them each
//! time the key is created again, one by one and, on Valkey 9.1, in quadratic time.
//! So clients are blocked under one name that nobody creates, since nobody can
//! guess it. In a cluster there is one for each slot: the server sends a blocked
//! client elsewhere when its slot moves, and Valkey 9.1 aborts if that is not the
//! slot of its keys.

use std::sync::OnceLock;

use border::context::Context;
use border::string::OwnedStr;

use crate::slot::{slot_of, tag_of};

/// The shadow of the keys that a command waits for: in a cluster they all have the
/// slot of the `first`.
pub(crate) fn shadow_of(ctx: Context<'_>, first: &[u8]) -> OwnedStr {
    static SECRET: OnceLock<[u8; 16]> = OnceLock::new();
    name_beside(ctx, first, SECRET.get_or_init(|| ctx.random_bytes()))
}

/// A name that nobody has used, in the slot of a key.
pub(crate) fn unused_name(ctx: Context<'_>, key: &[u8]) -> OwnedStr {
    name_beside(ctx, key, &ctx.random_bytes())
}

fn name_beside(ctx: Context<'_>, key: &[u8], secret: &[u8; 16]) -> OwnedStr {
    let slot = if ctx.is_cluster() { slot_of(key) } else { 0 };
    OwnedStr::new(&[b"{", &tag_of(slot)[..], b"}latch:", secret].concat())
}
