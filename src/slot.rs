//! The slots of a cluster, after its specification.

/// The slots there are.
const SLOTS: u16 = 16384;

/// The polynomial of the checksum that slots are made with: CRC16 of XMODEM.
const POLYNOMIAL: u16 = 0x1021;

/// The slot of a key: of what stands between its first `{` and the next `}`, if
/// that is not empty, else of all of it.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&byte| byte == b'}').filter(|&len| len > 0).map(|len| &rest[..len])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// Two bytes whose slot is this one, neither of them a `}`: a tag for any name
/// that is to have this slot.
pub(crate) fn tag_of(slot: u16) -> [u8; 2] {
    // The checksum of two bytes is any number, each of one pair only. Four of them
    // are of this slot, and no more than two have a `}`.
    (0..4)
        .map(|quarter| pair_of(slot + quarter * SLOTS))
        .find(|tag| !tag.contains(&b'}'))
        .unwrap_or_default() // see the test: there always is one
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ TABLE[usize::from(crc >> 8 ^ u16::from(byte))])
}

/// What becomes of each first byte of the checksum in eight steps.
const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut first = 0;
    while first < 256 {
        #[allow(clippy::cast_possible_truncation)] // below 256
        let mut crc = (first as u16) << 8;
        let mut step = 0;
        while step < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ POLYNOMIAL };
            step += 1;
        }
        table[first] = crc;
        first += 1;
    }
    table
};

/// The two bytes with this checksum: all sixteen steps taken back.
fn pair_of(crc: u16) -> [u8; 2] {
    let back = |crc: u16, _| match crc & 1 {
        0 => crc >> 1,
        _ => (crc ^ POLYNOMIAL) >> 1 | 0x8000,
    };
    (0..16).fold(crc, back).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"user1000"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_eq!(slot_of(b""), 0);
    }

    #[test]
    fn every_slot_has_a_tag() {
        for slot in 0..SLOTS {
            let [first, second] = tag_of(slot);
            assert!(first != b'}' && second != b'}', "{slot}");
            assert_eq!(slot_of(&[b'{', first, second, b'}', b'x']), slot);
        }
    }

    proptest! {
        #[test]
        fn the_checksum_is_the_one_that_is_written_bit_by_bit(bytes: Vec<u8>) {
            let bitwise = bytes.iter().fold(0_u16, |crc, &byte| {
                (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| match crc & 0x8000 {
                    0 => crc << 1,
                    _ => crc << 1 ^ POLYNOMIAL,
                })
            });
            prop_assert_eq!(crc16(&bytes), bitwise);
        }
    }
}
