//! The name a client is blocked on in the server: not the key itself.
//!
//! We release clients by handle, so the server never has to find them by key.
//! Blocking on the real key would make the server look through all of them
//! each time the key is created again, one by one and, on Valkey 9.1, in
//! quadratic time. So a client is blocked on a name that nobody creates. Should
//! two keys have the same (`b` and `{b}` do), or somebody create it after all,
//! then nobody is released by that: only the lot knows who waits for what.

use std::borrow::Cow;

/// Ends every shadow name; unlikely in a key that somebody makes.
const SUFFIX: &[u8] = b"\0latch\0parked";

/// A name of the same cluster slot as `key`; `key` itself where there is none.
///
/// The slot must be the key's own: the server sends a blocked client
/// elsewhere when the slot moves, and Valkey 9.1 aborts if it is another.
pub(crate) fn shadow_name(key: &[u8]) -> Cow<'_, [u8]> {
    if has_hash_tag(key) {
        // The first tag decides, and stays the first.
        Cow::Owned([key, SUFFIX].concat())
    } else if key.is_empty() || key.contains(&b'}') {
        // Cannot be wrapped in a tag: an empty tag does not count, and the
        // tag would end at the first `}`.
        Cow::Borrowed(key)
    } else {
        Cow::Owned([b"{", key, b"}", SUFFIX].concat())
    }
}

/// Whether only a part of the key decides its slot: what stands between the
/// first `{` and the next `}`, if that is not empty (the cluster
/// specification, "hash tags").
fn has_hash_tag(key: &[u8]) -> bool {
    let Some(open) = key.iter().position(|&b| b == b'{') else {
        return false;
    };
    let tag = &key[open + 1..];
    tag.iter().position(|&b| b == b'}').is_some_and(|len| len > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The key hash slot of the cluster specification, written from its text.
    fn slot(key: &[u8]) -> u16 {
        let hashed = match key.iter().position(|&b| b == b'{') {
            Some(open) => match key[open + 1..].iter().position(|&b| b == b'}') {
                Some(len) if len > 0 => &key[open + 1..open + 1 + len],
                _ => key,
            },
            None => key,
        };
        let crc = hashed.iter().fold(0_u16, |crc, &byte| {
            (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
                let shifted = crc << 1;
                if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
            })
        });
        crc % 16384
    }

    #[test]
    fn the_slot_function_agrees_with_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
    }

    #[test]
    fn only_a_key_that_cannot_be_wrapped_stands_for_itself() {
        for key in ["", "a}b", "{}x", "}"] {
            assert!(matches!(shadow_name(key.as_bytes()), Cow::Borrowed(_)), "{key}");
        }
        for key in ["job", "{a}b", "a{b}c", "{", "a{b", "{a}}", "\0\r\n"] {
            assert!(matches!(shadow_name(key.as_bytes()), Cow::Owned(_)), "{key}");
        }
    }

    proptest! {
        #[test]
        fn a_shadow_name_has_the_slot_of_its_key(key in "[a-c{}]{0,8}") {
            prop_assert_eq!(slot(&shadow_name(key.as_bytes())), slot(key.as_bytes()), "{:?}", key);
        }
    }
}
