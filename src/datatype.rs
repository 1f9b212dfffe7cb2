//! The native data type, as safe functions: what is saved, what of it is taken
//! back, and what is moved.

use std::ffi::CStr;

use crate::args::format_seconds;
use crate::defrag::Mover;
use crate::ffi::string::Str;
use crate::ffi::type_methods::{Defrag, Digest, Reader, Writer};
use crate::ids::Ids;
use crate::latch::Latch;

/// What `TYPE` answers for a latch. Types of modules have nine letters.
pub(crate) const NAME: &CStr = c"countdown";

/// The version of the payload. 1 is: twice the count, which is all there is to
/// a latch that is as it was made; else 1 is added to that, and there follow
/// the total, the time to linger in ms, 1 and the reason if it was aborted or
/// else 0, the number of ids, and the ids. Whoever adds a field adds a version,
/// and keeps loading this one.
pub(crate) const ENCODING: i32 = 1;

/// Saves a latch to a payload: RDB, `DUMP`, `MIGRATE`.
pub(crate) fn save(to: &mut Writer, latch: &Latch) {
    let more = latch.total() != latch.count() || latch.has_extra();
    to.save(latch.count().cast_unsigned() << 1 | u64::from(more));
    if !more {
        return;
    }
    to.save(latch.total().cast_unsigned());
    to.save(latch.linger().cast_unsigned());
    to.save(latch.reason().is_some().into());
    if let Some(reason) = latch.reason() {
        to.save_bytes(reason);
    }
    to.save(latch.arrived() as u64);
    latch.ids().for_each(|id| to.save_bytes(id));
}

/// Loads a latch from a payload.
///
/// # Errors
/// A log line that says why the payload cannot be a latch of ours.
pub(crate) fn load(from: &mut Reader, encoding: i32) -> Result<Latch, String> {
    if encoding != ENCODING {
        return Err(format!(
            "a latch was saved by another version of the module: \
             encoding {encoding}, this one reads {ENCODING}"
        ));
    }
    load_fields(from)
        .ok_or("a saved latch is cut off or has a number out of range")?
        .ok_or_else(|| "a saved latch is what no latch can be".into())
}

/// `None` if the fields cannot be read; then `None` if they make no latch.
fn load_fields(from: &mut Reader) -> Option<Option<Latch>> {
    let first = from.load()?;
    let count = (first >> 1).cast_signed(); // 63 bits are never negative
    if first & 1 == 0 {
        return Some(Latch::restore(count, count, 0, None, Ids::default()));
    }
    let total = i64::try_from(from.load()?).ok()?;
    let linger = i64::try_from(from.load()?).ok()?;
    let reason = match from.load()? {
        0 => None,
        1 => Some(from.load_bytes()?),
        _ => return None,
    };
    let arrived = from.load()?;
    // Nothing is reserved for a number that may be a lie.
    let mut ids = Ids::default();
    for _ in 0..arrived {
        if !ids.insert(from.load_bytes()?) {
            return Some(None);
        }
    }
    Some(Latch::restore(count, total, linger, reason, ids))
}

/// Writes a latch to the AOF, in the commands that a client would have sent.
pub(crate) fn rewrite(to: &mut Writer, key: Str<'_>, latch: &Latch) {
    let total = latch.total().to_string();
    match latch.linger() {
        0 => to.emit(c"LATCH.SET", key, &[total.as_bytes()]),
        linger => {
            let linger = format_seconds(linger);
            to.emit(c"LATCH.SET", key, &[total.as_bytes(), b"LINGER", linger.as_bytes()]);
        }
    }
    // Which id brought how much is not known, nor does it matter: each brought
    // at least 1, and the rest follows without one.
    for id in latch.ids() {
        to.emit(c"LATCH.COUNTDOWN", key, &[b"1", b"ID", id]);
    }
    let counted = i64::try_from(latch.arrived()).unwrap_or(i64::MAX);
    let rest = latch.total() - latch.count() - counted;
    if rest > 0 {
        to.emit(c"LATCH.COUNTDOWN", key, &[rest.to_string().as_bytes()]);
    }
    if let Some(reason) = latch.reason() {
        to.emit(c"LATCH.ABORT", key, &[reason]);
    }
}

/// Adds what makes two latches equal. The ids are in no order.
pub(crate) fn digest(digest: &mut Digest, latch: &Latch) {
    digest.add(latch.count());
    digest.add(latch.total());
    digest.add(latch.linger());
    digest.add_bytes(latch.reason().unwrap_or_default());
    digest.end();
    for id in latch.ids() {
        digest.add_bytes(id);
        digest.end();
    }
}

/// Moves the memory of a latch. True if the server has no more time now, and
/// should call again.
pub(crate) fn defragment(by: &mut Defrag, latch: &mut Option<Box<Latch>>) -> bool {
    let from = by.cursor();
    if from == 0 {
        *latch = latch.take().map(|latch| by.value(latch));
    }
    let next = latch.as_mut().and_then(|latch| latch.defragment(from, by));
    if let Some(next) = next {
        by.set_cursor(next);
    }
    next.is_some()
}
