//! What a payload means, written from the description of the format.

use std::collections::HashSet;

/// What a payload is, by its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Latch(Box<Latch>),
    /// One of ours that cannot be a latch.
    Impossible,
    /// Damaged where the server looks, not the module.
    Broken,
    /// A value of a type that is not ours.
    Foreign,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Latch {
    pub(crate) count: i64,
    pub(crate) total: i64,
    pub(crate) linger: i64,
    pub(crate) set_by: Option<Vec<u8>>,
    pub(crate) reason: Option<Vec<u8>>,
    pub(crate) opened_by: Option<Vec<u8>>,
    /// Those that are recorded only, those announced only, those that are both.
    pub(crate) ids: [HashSet<Vec<u8>>; 3],
}

/// The value of a module.
const MODULE: u8 = 7;
/// What kind of field comes next.
pub(crate) const UNSIGNED: u64 = 2;
const STRING: u64 = 5;
/// The value of a module ends.
const END: u64 = 0;
/// The longest time to linger, in ms.
pub(crate) const MAX_LINGER: i64 = 1 << 50;
/// The version that the module reads and writes.
const ENCODING: u64 = 1;

/// The meaning of a payload. `id` is the one of the module. What ends too early goes on in
/// the footer: the server reads that too.
pub(crate) fn meaning(payload: &[u8], id: u64) -> Meaning {
    let mut rest = payload;
    if rest.split_off_first() != Some(&MODULE) {
        return Meaning::Foreign;
    }
    let Some(found) = number(&mut rest).filter(|found| found >> 10 == id >> 10) else {
        return Meaning::Broken;
    };
    if found & 0x3ff != ENCODING {
        return Meaning::Impossible;
    }
    match latch(&mut rest).filter(Latch::is_possible) {
        None => Meaning::Impossible,
        Some(latch) if number(&mut rest) == Some(END) => Meaning::Latch(latch.into()),
        Some(_) => Meaning::Broken,
    }
}

impl Latch {
    fn is_possible(&self) -> bool {
        let is_text = |text: &Vec<u8>| (1..=1024).contains(&text.len());
        let is_line = |text: &Vec<u8>| !text.iter().any(|byte| b"\r\n\0".contains(byte));
        let is_open = self.count == 0;
        let (recorded, announced) = (number_of(self.recorded()), number_of(self.announced()));
        self.count <= self.total
            && (!is_open || self.linger > 0 && self.reason.is_none())
            && self.total - self.count >= recorded
            && (announced == 0 || announced < self.total)
            && match &self.opened_by {
                Some(id) => is_open && self.recorded().any(|recorded| recorded == id),
                None => !is_open || self.total == 0 || recorded < self.total,
            }
            && self.linger <= MAX_LINGER
            && self.ids.iter().flatten().chain(&self.set_by).all(is_text)
            && self.reason.iter().all(|reason| is_text(reason) && is_line(reason))
    }

    pub(crate) fn recorded(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.ids[0].iter().chain(&self.ids[2])
    }

    pub(crate) fn announced(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.ids[1].iter().chain(&self.ids[2])
    }
}

pub(crate) fn number_of<T>(items: impl Iterator<Item = T>) -> i64 {
    items.count().try_into().unwrap()
}

/// Takes the fields of a latch off the front.
fn latch(rest: &mut &[u8]) -> Option<Latch> {
    let first = unsigned(rest)?;
    let count = (first >> 1).try_into().unwrap();
    if first % 2 == 0 {
        return Some(Latch { count, total: count, ..Latch::default() });
    }
    let (total, linger) = (integer(rest)?, integer(rest)?);
    let (set_by, reason, opened_by) =
        (optional_text(rest)?, optional_text(rest)?, optional_text(rest)?);
    let mut ids = <[HashSet<_>; 3]>::default();
    for kind in 0..3 {
        for _ in 0..integer(rest)? {
            let id = text(rest)?;
            if ids.iter().any(|ids| ids.contains(&id)) {
                return None;
            }
            ids[kind].insert(id);
        }
    }
    Some(Latch { count, total, linger, set_by, reason, opened_by, ids })
}

fn optional_text(rest: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    match integer(rest)? {
        0 => Some(None),
        1 => Some(Some(text(rest)?)),
        _ => None,
    }
}

fn unsigned(rest: &mut &[u8]) -> Option<u64> {
    number(rest).filter(|&kind| kind == UNSIGNED)?;
    number(rest)
}

fn integer(rest: &mut &[u8]) -> Option<i64> {
    unsigned(rest)?.try_into().ok()
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    number(rest).filter(|&kind| kind == STRING)?;
    // A number may be packed; one of four bytes or compressed text is too
    // long to be in these payloads.
    let packed = |value: i16| Some(value.to_string().into_bytes());
    match *rest.first()? {
        0xc0 => packed(i8::from_le_bytes([rest.split_off(..2)?[1]]).into()),
        0xc1 => packed(i16::from_le_bytes(rest.split_off(..3)?[1..].try_into().unwrap())),
        0xc2 => {
            let bytes = rest.split_off(..5)?[1..].try_into().unwrap();
            Some(i32::from_le_bytes(bytes).to_string().into_bytes())
        }
        0xc3.. => None,
        _ => {
            let len = usize::try_from(number(rest)?).ok()?;
            Some(rest.split_off(..len)?.to_vec())
        }
    }
}

/// Takes a number of any width off the front.
pub(crate) fn number(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.split_off_first()?;
    let (high, width) = match first {
        0x00..=0x3f | 0xc0..=0xff => (first & 0x3f, 0),
        0x40..=0x7f => (first & 0x3f, 1),
        0x80 => (0, 4),
        0x81 => (0, 8),
        _ => return None,
    };
    let bytes = rest.split_off(..width)?;
    Some(bytes.iter().fold(u64::from(high), |sum, &byte| sum << 8 | u64::from(byte)))
}
