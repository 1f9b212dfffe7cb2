//! A client's wait: how it begins, what the client is told, and how it ends.
//!
//! In between, the lot has it: see `lot.rs`.

use border::blocking;
use border::command::Call;
use border::context::now;
use border::lock::Locked;
use border::reply::Reply;
use border::string::OwnedStr;

use crate::error::Error;
use crate::lot::{Outcome, Rule, Target, Ticket, Verdict};
use crate::parking::{self, with_lot};
use crate::shadow::unused_name;
use crate::stats;
use crate::sweep;
use crate::time::Timeout;
use crate::timeouts;

/// How a client is told that its wait was a success.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Success {
    /// `OK`
    Ok,
    /// The key of the latch that opened.
    Key,
}

impl Success {
    /// What a client is told whose wait has ended.
    fn reply(self, Verdict { outcome, key }: Verdict<&OwnedStr>) -> Reply {
        let error = match (outcome, self) {
            (Outcome::Opened, Self::Ok) => return Reply::Ok,
            (Outcome::Opened, Self::Key) => return Reply::Bulk(key.as_ref().into()),
            (Outcome::Gone, _) => Error::Gone,
            (Outcome::Expired, _) => Error::Expired,
            (Outcome::Aborted(reason), _) => Error::Aborted(reason),
        };
        stats::FAILED.count();
        Reply::Error(error.into())
    }
}

/// Parks the client of a command on latches, at least one, until the rule is met, or its
/// timeout passes. Where it must not be blocked, it is told null, as if that had passed.
///
/// # Errors
/// If there is no room, or the server does not block this client, for a reason of its own.
pub(crate) fn begin(
    call: Call<'_>,
    targets: &[Target<'_>],
    rule: Rule,
    timeout: Timeout,
    success: Success,
) -> Result<Reply, Error> {
    if call.denies_blocking() {
        return Ok(Reply::Null);
    }
    let first = targets.first().map_or(&b""[..], |target| target.key);
    if call.refuses_memory(|| unused_name(*call, first)) {
        return Err(Error::OutOfMemory);
    }
    let millis = match timeout {
        Timeout::Never => None,
        Timeout::Millis(millis) => Some(millis),
    };
    let deadline = millis.map(|millis| now() + millis);
    let wait = |ticket| Wait { ticket, deadline, success };
    parking::park(call, targets, rule, millis, wait)?;
    sweep::begin(*call);
    if let Some(deadline) = deadline {
        timeouts::add(*call, deadline);
    }
    Ok(Reply::Answered)
}

/// The wait of a client that is parked.
#[derive(Debug)]
struct Wait {
    ticket: Ticket,
    /// When its timeout passes, in Unix ms.
    deadline: Option<i64>,
    success: Success,
}

impl blocking::Wait for Wait {
    fn reply(&self, lock: Locked<'_>) -> Reply {
        with_lot(lock, |lot| match lot.verdict(self.ticket) {
            Some(verdict) => self.success.reply(verdict),
            None => {
                stats::TIMED_OUT.count();
                Reply::Null
            }
        })
    }

    fn end(&self, lock: Locked<'_>) {
        with_lot(lock, |lot| lot.leave(self.ticket));
        if let Some(deadline) = self.deadline {
            timeouts::remove(lock, deadline);
        }
    }
}
