//! Payloads of `DUMP` that hold a value of a module, and may be forged.

use super::{Client, Reply, Server};

/// The payload of a key.
#[track_caller]
pub fn dump(client: &mut Client, key: impl AsRef<[u8]>) -> Vec<u8> {
    match client.call([b"DUMP", key.as_ref()]) {
        Reply::Bulk(payload) => payload,
        other => panic!("expected a payload, got {other:?}"),
    }
}

/// A server with `k`, of 297 left of 300, and its payload.
pub fn dumped() -> (Server, Vec<u8>) {
    let server = Server::new();
    server.run("LATCH.SET k 300");
    server.run("LATCH.COUNTDOWN k 3");
    let payload = dump(&mut server.client(), "k");
    (server, payload)
}

/// A value of a module as its payload has it: a list of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleValue {
    /// The id of the data type, with the version of its encoding.
    pub id: u64,
    /// What the module has saved.
    pub fields: Vec<Field>,
}

/// One of the fields that modules save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// An unsigned number.
    Number(u64),
    /// A string, or the text of a number: the server packs small ones.
    Bytes(Vec<u8>),
    /// A small number that is packed, to be read as its text.
    Packed(i8),
}

/// The value of a module.
const MODULE: u8 = 7;
/// What kind of field comes next.
const UNSIGNED: u8 = 2;
const STRING: u8 = 5;
/// The value ends.
const END: u8 = 0;
/// The version of the format and a checksum end each payload.
const FOOTER: usize = 2 + 8;

impl ModuleValue {
    /// Reads a payload; panics if it is none of a module, or has fields of
    /// other kinds or compressed strings.
    pub fn of(payload: &[u8]) -> ModuleValue {
        let mut rest = &payload[..payload.len() - FOOTER];
        assert_eq!(rest.split_off_first(), Some(&MODULE));
        let id = length(&mut rest).unwrap();
        let mut fields = Vec::new();
        loop {
            let kind = length(&mut rest).unwrap();
            if kind == u64::from(END) {
                assert!(rest.is_empty(), "more than one value");
                return ModuleValue { id, fields };
            } else if kind == u64::from(UNSIGNED) {
                fields.push(Field::Number(length(&mut rest).unwrap()));
            } else if kind == u64::from(STRING) {
                fields.push(string(&mut rest));
            } else {
                panic!("a field of kind {kind}");
            }
        }
    }

    /// A payload of this value that passes the checks of the server.
    pub fn payload(&self) -> Vec<u8> {
        let mut body = vec![MODULE];
        push_length(&mut body, self.id);
        for field in &self.fields {
            match field {
                Field::Number(number) => {
                    body.push(UNSIGNED);
                    push_length(&mut body, *number);
                }
                Field::Bytes(bytes) => {
                    body.push(STRING);
                    push_length(&mut body, bytes.len().try_into().unwrap());
                    body.extend(bytes);
                }
                Field::Packed(number) => {
                    body.extend([STRING, 0xc0, number.cast_unsigned()]);
                }
            }
        }
        body.push(END);
        body.extend(10_u16.to_le_bytes()); // of Redis 7.0: newer servers read it too
        body.extend(crc64(&body).to_le_bytes());
        body
    }
}

/// The checksum of Redis: 64 bits, the polynomial of Jones, bits reflected.
pub fn crc64(bytes: &[u8]) -> u64 {
    const JONES: u64 = 0xad93_d235_94c9_35a9;
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u64::from(byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => crc >> 1 ^ JONES.reverse_bits(),
        })
    })
}

/// Takes a length of any width off the front; `None` if it is a packing.
fn length(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.split_off_first().expect("a length");
    let (high, width) = match first {
        0x00..=0x3f => (first, 0),
        0x40..=0x7f => (first & 0x3f, 1),
        0x80 => (0, 4),
        0x81 => (0, 8),
        _ => return None,
    };
    let bytes = rest.split_off(..width).expect("the rest of a length");
    Some(bytes.iter().fold(u64::from(high), |sum, &byte| sum << 8 | u64::from(byte)))
}

fn string(rest: &mut &[u8]) -> Field {
    let packing = rest[0];
    if let Some(len) = length(rest) {
        let bytes = rest.split_off(..usize::try_from(len).unwrap()).expect("a string");
        return Field::Bytes(bytes.to_vec());
    }
    assert_eq!(packing, 0xc0, "a number in one byte");
    Field::Packed(rest.split_off_first().expect("a packed number").cast_signed())
}

fn push_length(body: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => body.push(length.try_into().unwrap()),
        0x40..0x4000 => body.extend((u16::try_from(length).unwrap() | 0x4000).to_be_bytes()),
        _ => {
            body.push(0x81);
            body.extend(length.to_be_bytes());
        }
    }
}
