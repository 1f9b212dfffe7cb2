//! Every refusal and every failed wait, with its text on the wire.

use std::ffi::CStr;

/// Why a command has no other reply.
///
/// The texts that core Redis also has are core's, to the letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// An option is unknown, repeated, or contradicts another.
    Syntax,
    /// A count or decrement is not an integer, or not one that is allowed.
    NotAnInteger,
    /// A time to live is zero, negative, or too far away.
    InvalidExpire,
    /// A timeout is not a number.
    TimeoutNotAFloat,
    /// A timeout is below zero.
    TimeoutNegative,
    /// A timeout ends after the end of time.
    TimeoutOutOfRange,
    /// The key holds a value of another type.
    WrongType,
    /// No more clients can park: the server is over `maxmemory`.
    OutOfMemory,
    /// No more clients can park: `latch.max-waiters` are parked.
    TooManyWaiters,
    /// The wait ended because the latch was removed.
    Gone,
    /// The wait ended because the time to live of the latch passed.
    Expired,
    /// A bug of this module, caught before it could end the server.
    Internal,
}

impl Error {
    /// The reply, without the leading `-`.
    pub(crate) const fn text(self) -> &'static CStr {
        match self {
            Self::Syntax => c"ERR syntax error",
            Self::NotAnInteger => c"ERR value is not an integer or out of range",
            Self::InvalidExpire => c"ERR invalid expire time in 'latch.set' command",
            Self::TimeoutNotAFloat => c"ERR timeout is not a float or out of range",
            Self::TimeoutNegative => c"ERR timeout is negative",
            Self::TimeoutOutOfRange => c"ERR timeout is out of range",
            Self::WrongType => c"WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::OutOfMemory => c"OOM command not allowed when used memory > 'maxmemory'.",
            Self::TooManyWaiters => c"ERR max number of latch waiters reached",
            Self::Gone => c"LATCHGONE the latch was removed before it opened",
            Self::Expired => c"LATCHEXPIRED its time to live passed before it opened",
            Self::Internal => c"ERR internal error of the latch module, see the server log",
        }
    }
}
