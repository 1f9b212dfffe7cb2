//! The texts of errors.
//!
//! Those that core Redis also has are core's, to the letter.

use std::ffi::CString;

use border::key::WrongType;
use border::reply::Refusal;

use crate::error::Error;

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let text = match error {
            Error::Aborted(reason) => return Self::new(aborted(&reason)),
            Error::Syntax => c"ERR syntax error",
            Error::NotAnInteger => c"ERR value is not an integer or out of range",
            Error::InvalidExpire => c"ERR invalid expire time in 'latch.set' command",
            Error::TimeoutNotAFloat => c"ERR timeout is not a float or out of range",
            Error::TimeoutNegative => c"ERR timeout is negative",
            Error::TimeoutOutOfRange => c"ERR timeout is out of range",
            Error::NotAFloat => c"ERR value is not a valid float",
            Error::NumKeys => c"ERR numkeys should be greater than 0",
            Error::TooFewKeys => c"ERR Number of keys can't be greater than number of args",
            Error::TooManyKeys => c"ERR too many keys for one wait",
            Error::IdLength => c"ERR id must have 1 to 1024 bytes",
            Error::ReasonLength => c"ERR reason must have at most 1024 bytes",
            Error::Overflow => c"ERR increment would overflow",
            Error::WrongType => c"WRONGTYPE Operation against a key holding the wrong kind of value",
            Error::NoLatch => c"NOLATCH there is no latch at this key",
            Error::Open => c"LATCHOPEN the latch is open",
            Error::OutOfMemory => c"OOM command not allowed when used memory > 'maxmemory'.",
            Error::TooManyWaiters => c"ERR max number of latch waiters reached",
            Error::CannotWait => {
                c"ERR this connection cannot wait: the server does not block it (has it a subscription?), use another one"
            }
            Error::Gone => c"LATCHGONE the latch was removed before it opened",
            Error::Expired => c"LATCHEXPIRED its time to live passed before it opened",
        };
        Self::new(text)
    }
}

/// A reason has no NUL in it; see `latch::is_reason`.
fn aborted(reason: &[u8]) -> CString {
    CString::new([b"LATCHABORTED ", reason].concat()).unwrap_or_default()
}

impl From<WrongType> for Error {
    fn from(_: WrongType) -> Self {
        Self::WrongType
    }
}
