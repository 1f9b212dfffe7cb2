//! How rounds and waits end.

use std::rc::Rc;

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The count reached zero.
    Opened,
    /// The latch was removed before it opened.
    Gone,
    /// The time to live of the latch passed before it opened.
    Expired,
    /// Somebody aborted it, for this reason.
    Aborted(Rc<[u8]>),
}

/// How a wait ended, if not by the client or its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict<K> {
    pub(crate) outcome: Outcome,
    /// The key that decided it.
    pub(crate) key: K,
}

/// What a client that waits for several latches needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// All of them must open; the first that fails ends the wait. This is the
    /// rule of a client that waits for one latch, too.
    All,
    /// One of them must open; the last that fails ends the wait.
    Any,
}

impl Rule {
    /// Whether it is the end of the wait that one of the latches opened, or else failed,
    /// however the others end.
    pub(super) fn is_decided_by(self, opened: bool) -> bool {
        match self {
            Self::All => !opened,
            Self::Any => opened,
        }
    }
}
