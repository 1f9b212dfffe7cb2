//! Every refusal and every failed wait. Their texts are in `text.rs`.

use std::rc::Rc;

/// Why a command has no other reply.
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
    /// The number of keys is larger than `latch.max-keys`.
    TooManyKeys,
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
}
