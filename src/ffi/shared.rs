//! State that all callbacks of the server share.

use std::cell::{OnceCell, RefCell};

/// A value that only callbacks of the server touch, made when it is first
/// needed.
///
/// They run under the lock of the server, one at a time: nearly always on its
/// main thread, and on a thread of another module when that takes the lock and
/// calls a command.
#[derive(Debug)]
pub(crate) struct Shared<T>(OnceCell<RefCell<T>>);

// SAFETY: whoever calls `with` holds the lock of the server (see above), which
// also makes what one thread has written visible to the next.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Default> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Lends the value. `access` must not call the server, which may call back.
    pub(crate) fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        access(&mut self.0.get_or_init(RefCell::default).borrow_mut())
    }
}
