//! Every refusal and every failed wait, with its text on the wire.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::rc::Rc;

/// Why a command has no other reply.
///
/// The texts that core Redis also has are core's, to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// An option is unknown, repeated, or contradicts another.
    Syntax,
    /// A count or decrement is not an integer, or not one that is allowed.
    NotAnInteger,
    /// A time to live or to linger is zero, negative, or too far away.
    InvalidExpire,
    /// A timeout is not a number.
    TimeoutNotAFloat,
    /// A timeout is below zero.
    TimeoutNegative,
    /// A timeout is longer than any may be.
    TimeoutOutOfRange,
    /// A time to linger is not a number.
    NotAFloat,
    /// The number of keys is not a number above zero.
    NumKeys,
    /// The number of keys is larger than the number of arguments.
    TooFewKeys,
    /// An id is empty or too long.
    IdLength,
    /// A reason is too long.
    ReasonLength,
    /// An increment would make the total, or the count, larger than a count can
    /// be.
    Overflow,
    /// The key holds a value of another type.
    WrongType,
    /// There must be a latch.
    NoLatch,
    /// The latch must be closed.
    Open,
    /// The latch was aborted, for this reason.
    Aborted(Rc<[u8]>),
    /// No more clients can park: the server is over `maxmemory`.
    OutOfMemory,
    /// No more clients can park: `latch.max-waiters` are parked.
    TooManyWaiters,
    /// The server does not park this client.
    CannotWait,
    /// The wait ended because the latch was removed.
    Gone,
    /// The wait ended because the time to live of the latch passed.
    Expired,
    /// A bug of this module, caught before it could end the server.
    Internal,
}

impl Error {
    /// The reply, without the leading `-`.
    pub(crate) fn text(&self) -> Cow<'static, CStr> {
        let text = match self {
            Self::Aborted(reason) => return Cow::Owned(aborted(reason)),
            Self::Syntax => c"ERR syntax error",
            Self::NotAnInteger => c"ERR value is not an integer or out of range",
            Self::InvalidExpire => c"ERR invalid expire time in 'latch.set' command",
            Self::TimeoutNotAFloat => c"ERR timeout is not a float or out of range",
            Self::TimeoutNegative => c"ERR timeout is negative",
            Self::TimeoutOutOfRange => c"ERR timeout is out of range",
            Self::NotAFloat => c"ERR value is not a valid float",
            Self::NumKeys => c"ERR numkeys should be greater than 0",
            Self::TooFewKeys => c"ERR Number of keys can't be greater than number of args",
            Self::IdLength => c"ERR id must have 1 to 1024 bytes",
            Self::ReasonLength => c"ERR reason must have at most 1024 bytes",
            Self::Overflow => c"ERR increment would overflow",
            Self::WrongType => c"WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::NoLatch => c"NOLATCH there is no latch at this key",
            Self::Open => c"LATCHOPEN the latch is open",
            Self::OutOfMemory => c"OOM command not allowed when used memory > 'maxmemory'.",
            Self::TooManyWaiters => c"ERR max number of latch waiters reached",
            Self::CannotWait => {
                c"ERR this connection cannot wait: the server does not block it (has it a subscription?), use another one"
            }
            Self::Gone => c"LATCHGONE the latch was removed before it opened",
            Self::Expired => c"LATCHEXPIRED its time to live passed before it opened",
            Self::Internal => c"ERR internal error of the latch module, see the server log",
        };
        Cow::Borrowed(text)
    }
}

/// A reason has no NUL in it; see `latch::is_reason`.
fn aborted(reason: &[u8]) -> CString {
    CString::new([b"LATCHABORTED ", reason].concat()).unwrap_or_default()
}
