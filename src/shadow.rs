//! The name that clients are blocked under in the server: no key.
//!
//! We release clients by handle, so the server never has to find them by key.
//! Blocking on the key itself would make the server look through all of them each
//! time the key is created again, one by one and, on Valkey 9.1, in quadratic time.
//! So clients are blocked under one name that nobody creates, since nobody can
//! guess it. In a cluster there is one for each slot: the server sends a blocked
//! client elsewhere when its slot moves, and Valkey 9.1 aborts if that is not the
//! slot of its keys.

use border::context::Context;
use border::lock::Shared;
use border::string::OwnedStr;

use crate::slot::{slot_of, tag_of};

static SHADOWS: Shared<Shadows> = Shared::new();

#[derive(Debug, Default)]
struct Shadows {
    secret: Option<[u8; 16]>,
    /// The one that was needed last, and its slot.
    last: Option<(u16, OwnedStr)>,
}

/// The shadow of the keys that a command waits for: in a cluster they all have the
/// slot of the `first`.
pub(crate) fn shadow_of(ctx: Context<'_>, first: &[u8]) -> OwnedStr {
    let slot = slot_in(ctx, first);
    SHADOWS.with(ctx.lock(), |Shadows { secret, last }| match last {
        Some((of, shadow)) if *of == slot => shadow.clone(),
        _ => {
            let shadow = name(slot, secret.get_or_insert_with(|| ctx.random_bytes()));
            last.insert((slot, shadow)).1.clone()
        }
    })
}

/// A name that nobody has used, in the slot of a key.
pub(crate) fn unused_name(ctx: Context<'_>, key: &[u8]) -> OwnedStr {
    name(slot_in(ctx, key), &ctx.random_bytes())
}

fn slot_in(ctx: Context<'_>, key: &[u8]) -> u16 {
    if ctx.is_cluster() { slot_of(key) } else { 0 }
}

fn name(slot: u16, secret: &[u8; 16]) -> OwnedStr {
    OwnedStr::new(&[b"{", &tag_of(slot)[..], b"}latch:", secret].concat())
}
