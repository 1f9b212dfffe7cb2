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

use crate::ids::Ids;
use crate::latch::Latch;
use crate::mover::Mover;
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
    /// the total, the time to linger in ms, 1 and the reason if it was aborted or
    /// else 0, the number of ids, and the ids. Whoever adds a field adds a version,
    /// and keeps loading this one.
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
        to.save(self.reason().is_some().into());
        if let Some(reason) = self.reason() {
            to.save_bytes(reason);
        }
        to.save(self.arrived() as u64);
        self.ids().for_each(|id| to.save_bytes(id));
    }

    fn rewrite(&self, key: Str<'_>, to: &mut Rewriter) {
        let total = self.total().to_string();
        match self.linger() {
            0 => to.emit(c"LATCH.SET", key, &[total.as_bytes()]),
            linger => {
                let linger = format_seconds(linger);
                to.emit(c"LATCH.SET", key, &[total.as_bytes(), b"LINGER", linger.as_bytes()]);
            }
        }
        // Which id brought how much is not known, nor does it matter: each brought
        // at least 1, and the rest follows without one.
        for id in self.ids() {
            to.emit(c"LATCH.COUNTDOWN", key, &[b"1", b"ID", id]);
        }
        let counted = i64::try_from(self.arrived()).unwrap_or(i64::MAX);
        let rest = self.total() - self.count() - counted;
        if rest > 0 {
            to.emit(c"LATCH.COUNTDOWN", key, &[rest.to_string().as_bytes()]);
        }
        if let Some(reason) = self.reason() {
            to.emit(c"LATCH.ABORT", key, &[reason]);
        }
    }

    /// The ids are in no order.
    fn digest(&self, digest: &mut Digest) {
        digest.add(self.count());
        digest.add(self.total());
        digest.add(self.linger());
        digest.add_bytes(self.reason().unwrap_or_default());
        digest.end();
        for id in self.ids() {
            digest.add_bytes(id);
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
        1 + self.arrived()
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
