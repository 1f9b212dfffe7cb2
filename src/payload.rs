//! Latches as the server stores them: what is saved of one, what of it is taken back, and
//! what is moved.

use std::ffi::CStr;
#[cfg(feature = "fault-injection")]
use std::sync::atomic::{AtomicBool, Ordering};

use border::data_type::{DataType, Registration};
use border::defrag::Defrag;
use border::key;
use border::lock::Locked;
use border::payload::{Digest, Reader, Rewriter, Writer};
use border::string::Str;

use crate::ids::{Ids, Mark};
use crate::latch::{Latch, Saved};
use crate::mover::Mover;
use crate::rebuild::{self, Step};
use crate::reclaim;
use crate::time::format_seconds;

/// A key that may hold a latch.
pub(crate) type Key<'a> = key::Key<'a, Latch>;

/// Whether to save a latch panics: for the tests.
#[cfg(feature = "fault-injection")]
pub(crate) static PANICS_ON_SAVE: AtomicBool = AtomicBool::new(false);

static REGISTRATION: Registration<Latch> = Registration::new();

impl DataType for Latch {
    const NAME: &'static CStr = c"countdown";

    /// The version of the payload. 1 is: twice the count, which is all there is to
    /// a latch that is as it was made; else 1 is added to that, and there follow
    /// the total and the time to linger in ms; who set it, why it was aborted, and whose
    /// countdown opened it, each as 1 and the text, or 0 if there is none; and of the ids
    /// that are recorded only, of those announced only, and of those that are both, the
    /// number and the ids. Whoever adds a field adds a version, and keeps loading this one.
    const ENCODING: i32 = 1;

    fn registration() -> &'static Registration<Self> {
        &REGISTRATION
    }

    fn load(from: &mut Reader, encoding: i32) -> Result<Self, String> {
        if encoding != Self::ENCODING {
            return Err(format!(
                "a latch was saved by another version of the module: \
                 encoding {encoding}, this one reads {}",
                Self::ENCODING
            ));
        }
        load_fields(from)
            .ok_or("a saved latch is cut off or has a number out of range")?
            .ok_or_else(|| "a saved latch is what no latch can be".into())
    }

    fn save(&self, to: &mut Writer) {
        #[cfg(feature = "fault-injection")]
        assert!(!PANICS_ON_SAVE.load(Ordering::Relaxed), "on purpose, before a latch is saved");
        let more = self.total() != self.count() || self.has_extra();
        to.save(self.count().cast_unsigned() << 1 | u64::from(more));
        if !more {
            return;
        }
        to.save(self.total().cast_unsigned());
        to.save(self.linger().cast_unsigned());
        for text in [self.set_by(), self.reason(), self.opened_by()] {
            to.save(text.is_some().into());
            if let Some(text) = text {
                to.save_bytes(text);
            }
        }
        for mark in MARKS {
            let ids = || self.ids().into_iter().flat_map(|ids| ids.only(mark));
            to.save(ids().count() as u64);
            ids().for_each(|id| to.save_bytes(id));
        }
    }

    fn rewrite(&self, key: Str<'_>, to: &mut Rewriter) {
        rebuild::steps(self).for_each(|step| emit(step, key, to));
    }

    /// The ids are in no order.
    fn digest(&self, digest: &mut Digest) {
        digest.add(self.count());
        digest.add(self.total());
        digest.add(self.linger());
        for text in [self.set_by(), self.reason(), self.opened_by()] {
            digest.add_bytes(text.unwrap_or_default());
        }
        digest.end();
        for (id, mark) in self.ids().into_iter().flat_map(Ids::iter) {
            digest.add_bytes(id);
            digest.add(mark as i64);
            digest.end();
        }
    }

    fn copy(&self) -> Self {
        Self::copy(self)
    }

    fn extra_memory(&self, samples: usize) -> usize {
        Self::extra_memory(self, samples)
    }

    fn allocations(&self) -> usize {
        1 + self.arrived() + self.pending()
    }

    fn free(self, lock: Option<Locked<'_>>) {
        if let Some(lock) = lock {
            reclaim::give_back(lock, self);
        }
    }

    fn defragment(&mut self, from: usize, by: &mut Defrag) -> Option<usize> {
        Self::defragment(self, from, by)
    }
}

/// What may be known of an id, in the order in which the ids are saved.
const MARKS: [Mark; 3] = [Mark::Recorded, Mark::Announced, Mark::Both];

/// `None` if the fields cannot be read; then `None` if they make no latch.
fn load_fields(from: &mut Reader) -> Option<Option<Latch>> {
    let first = from.load()?;
    let count = (first >> 1).cast_signed(); // 63 bits are never negative
    if first & 1 == 0 {
        return Some(Latch::restore(Saved { count, total: count, ..Saved::default() }));
    }
    let total = i64::try_from(from.load()?).ok()?;
    let linger = i64::try_from(from.load()?).ok()?;
    let (set_by, reason, opened_by) = (load_text(from)?, load_text(from)?, load_text(from)?);
    // Nothing is reserved for a number that may be a lie.
    let mut ids = Ids::default();
    for mark in MARKS {
        for _ in 0..from.load()? {
            if ids.mark(from.load_bytes()?, mark).is_some() {
                return Some(None);
            }
        }
    }
    Some(Latch::restore(Saved { count, total, linger, set_by, reason, opened_by, ids }))
}

/// `None` if the field cannot be read; then `None` if there is no text.
fn load_text(from: &mut Reader) -> Option<Option<Box<[u8]>>> {
    match from.load()? {
        0 => Some(None),
        1 => from.load_bytes().map(Some),
        _ => None,
    }
}

/// Writes a command that makes the latch of a key what it is.
fn emit(step: Step<'_>, key: Str<'_>, to: &mut Rewriter) {
    match step {
        Step::Set { count, linger, set_by } => {
            let (count, seconds) = (count.to_string(), format_seconds(linger));
            let mut args = vec![count.as_bytes()];
            args.extend(set_by.into_iter().flat_map(|id| [&b"ID"[..], id]));
            if linger > 0 {
                args.extend([&b"LINGER"[..], seconds.as_bytes()]);
            }
            to.emit(c"LATCH.SET", key, &args);
        }
        Step::Add(id) => to.emit(c"LATCH.ADD", key, &[b"1", b"ID", id]),
        Step::CountDown { by, id } => {
            let by = by.to_string();
            match id {
                Some(id) => to.emit(c"LATCH.COUNTDOWN", key, &[by.as_bytes(), b"ID", id]),
                None => to.emit(c"LATCH.COUNTDOWN", key, &[by.as_bytes()]),
            }
        }
        Step::Abort(reason) => to.emit(c"LATCH.ABORT", key, &[reason]),
    }
}

impl Mover for Defrag {
    fn value<T>(&mut self, value: Box<T>) -> Box<T> {
        Self::value(self, value)
    }

    fn slice<T>(&mut self, values: Box<[T]>) -> Box<[T]> {
        Self::slice(self, values)
    }

    fn should_stop(&mut self) -> bool {
        Self::should_stop(self)
    }
}
