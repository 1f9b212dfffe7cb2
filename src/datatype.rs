//! The native data type, as safe functions: what is saved, and what of it is
//! taken back.

use std::ffi::CStr;

use crate::ffi::string::Str;
use crate::ffi::type_methods::{Digest, Reader, Writer};
use crate::latch::Latch;

/// What `TYPE` answers for a latch. Types of modules have nine letters.
pub(crate) const NAME: &CStr = c"countdown";

/// The version of the payload: 1 is the count, then the total, as unsigned
/// integers. Whoever adds a field adds a version, and keeps loading this one.
pub(crate) const ENCODING: i32 = 1;

/// Saves a latch to a payload: RDB, `DUMP`, `MIGRATE`.
pub(crate) fn save(to: &mut Writer, latch: &Latch) {
    to.save(latch.count());
    to.save(latch.total());
}

/// Loads a latch from a payload.
///
/// # Errors
/// A log line that says why the payload cannot be a latch of ours.
pub(crate) fn load(from: &mut Reader, encoding: i32) -> Result<Latch, String> {
    if encoding != ENCODING {
        return Err(format!(
            "a latch was saved by a newer version of the module: \
             encoding {encoding}, this one reads up to {ENCODING}"
        ));
    }
    let mut number = || {
        from.load()
            .ok_or("a saved latch is cut off or has a number out of range")
    };
    let (count, total) = (number()?, number()?);
    Latch::restore(count, total)
        .ok_or_else(|| format!("a saved latch has an impossible count: {count} of {total}"))
}

/// Writes a latch to the AOF, in the commands that a client would have sent.
pub(crate) fn rewrite(to: &mut Writer, key: Str<'_>, latch: &Latch) {
    to.emit(c"LATCH.SET", key, latch.total());
    let arrived = latch.total() - latch.count();
    if arrived > 0 {
        to.emit(c"LATCH.COUNTDOWN", key, arrived);
    }
}

/// Adds what makes two latches equal.
pub(crate) fn digest(digest: &mut Digest, latch: &Latch) {
    digest.add(latch.count());
    digest.add(latch.total());
}
