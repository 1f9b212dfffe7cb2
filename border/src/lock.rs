//! The lock of the server, and what is shared under it.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::marker::PhantomData;

/// Proof that this thread holds the lock of the server.
///
/// Callbacks of the server have one: nearly always on its main thread, and on a thread
/// of another module when that takes the lock and calls a command. It cannot be kept
/// beyond the callback, nor given to another thread.
#[derive(Clone, Copy, Debug)]
pub struct Locked<'a>(PhantomData<(&'a (), *const ())>);

impl Locked<'_> {
    /// # Safety
    /// This thread must hold the lock of the server during `'a`.
    pub(crate) unsafe fn new() -> Self {
        Self(PhantomData)
    }
}

/// A value that is used under the lock of the server only, made when it is first needed.
pub struct Shared<T>(OnceCell<RefCell<T>>);

// SAFETY: `with` is the only way to the value, and asks for the lock, which also makes
// what one thread has written visible to the next. Of a value that is not `Send`, as one
// with an `Rc`, a part could be kept in a thread-local; clippy.toml has none of those.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Default> Shared<T> {
    /// A value that has not been made yet.
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Lends the value.
    ///
    /// # Panics
    /// If it is lent already: `access` must not call what may call back.
    pub fn with<R>(&self, _lock: Locked<'_>, access: impl FnOnce(&mut T) -> R) -> R {
        access(&mut self.0.get_or_init(RefCell::default).borrow_mut())
    }
}

impl<T> fmt::Debug for Shared<T> {
    /// Does not show the value: that needs the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(..)")
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}
