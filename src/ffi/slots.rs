//! The slots of a cluster, as far as the server tells of them.

use std::ffi::c_int;
use std::ptr;
use std::sync::OnceLock;

use super::context::OK;

type CanAccessKeys = unsafe extern "C" fn(slot: c_int) -> c_int;

/// Whether this node serves a slot; `None` where the server cannot be asked (before
/// Redis 8.6, and Valkey). It is to be asked while a slot moves by itself: then keys
/// vanish at an end of the move of which nothing tells.
pub(crate) fn is_slot_ours(slot: u16) -> Option<bool> {
    static ENTRY: OnceLock<Option<CanAccessKeys>> = OnceLock::new();
    let can_access = (*ENTRY.get_or_init(find_entry))?;
    // SAFETY: takes a number, and answers with 1 or 0 for any.
    Some(unsafe { can_access(slot.into()) } != 0)
}

/// Newer than the bindings.
fn find_entry() -> Option<CanAccessKeys> {
    let mut found: Option<CanAccessKeys> = None;
    let name = c"RedisModule_ClusterCanAccessKeysInSlot".as_ptr();
    let place = ptr::from_mut(&mut found).cast();
    // SAFETY: the server writes one pointer to the place, if it knows the name.
    let known = unsafe { api!(RedisModule_GetApi)(name, place) == OK };
    found.filter(|_| known)
}
