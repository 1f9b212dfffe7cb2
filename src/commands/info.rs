//! `LATCH.INFO`

use border::command::{Call, Command};
use border::context::now;
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::KEY;
use crate::args::Args;
use crate::error::Error;
use crate::latch::State;
use crate::parking::with_lot;
use crate::payload::Key;

/// Returns all there is to know about a latch.
#[derive(Debug)]
pub(crate) struct Info;

impl Command for Info {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.info",
        flags: c"readonly fast",
        categories: c"read fast",
        summary: c"Returns state, counts, waiters and times of a latch, and who set and opened it.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: 2,
        keys: KeyUse::READ,
        args: &[KEY],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let name = *Args::new(args).only()?;
        let key = Key::read(*call, name);
        let Some(latch) = key.value()? else {
            return Ok(Reply::Null);
        };
        let state = match latch.state() {
            State::Closed => "closed",
            State::Open => "open",
            State::Aborted(_) => "aborted",
        };
        let waiters = with_lot(call.lock(), |lot| lot.parked_on(call.db(), name.bytes()));
        let ttl = key.expiry().map_or(-1, |at| at.saturating_sub(now()).max(0));
        let number = |n: usize| Reply::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let text = |text: Option<&[u8]>| Reply::Bulk(text.unwrap_or_default().into());
        Ok(Reply::Map(vec![
            ("state", Reply::Bulk(state.as_bytes().into())),
            ("count", Reply::Integer(latch.count())),
            ("total", Reply::Integer(latch.total())),
            ("arrived", number(latch.arrived())),
            ("waiters", number(waiters)),
            ("ttl-ms", Reply::Integer(ttl)),
            ("linger-ms", Reply::Integer(latch.linger())),
            ("reason", text(latch.reason())),
            ("pending", number(latch.pending())),
            ("opened-by", text(latch.opened_by())),
            ("set-by", text(latch.set_by())),
        ]))
    }
}
