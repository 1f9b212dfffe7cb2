//! `LATCH.ARRIVED`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{KeyUse, Spec};
use border::string::Str;

use super::options::{KEY, OWN_ID, check_id};
use crate::args::Args;
use crate::error::Error;
use crate::latch::Latch;
use crate::payload::Key;

/// Returns the recorded ids.
#[derive(Debug)]
pub(crate) struct Arrived;

impl Command for Arrived {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.arrived",
        flags: c"readonly",
        categories: c"read slow",
        summary: c"Returns the ids that have counted down, sorted; or of some ids whether they have, 1 or 0 for each.",
        complexity: c"O(N log N) where N is the number of ids of the latch; O(1) for each id that is asked for",
        since: c"0.1.0",
        arity: -2,
        keys: KeyUse::READ,
        args: &[KEY, OWN_ID.repeated().optional()],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, asked } = Request::parse(Args::new(args))?;
        let key = Key::read(*call, *name);
        let latch = key.value()?;
        if let Some(asked) = asked {
            let has_arrived = |id| latch.is_some_and(|latch| latch.has_arrived(id));
            let replies = asked.into_iter().map(|id| Reply::Integer(has_arrived(id).into()));
            return Ok(Reply::Array(replies.collect()));
        }
        match latch.and_then(Latch::ids) {
            None => Ok(Reply::Array(Vec::new())),
            Some(ids) => Ok(call.reply_with(ids.recorded(), ids.sorted_recorded().into_iter())),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    /// The ids that are asked for, if only some are.
    asked: Option<Vec<&'a [u8]>>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let name = args.next()?;
        if args.is_empty() {
            return Ok(Self { name, asked: None });
        }
        let first = args.named("ID")?.ok_or(Error::Syntax)?;
        let mut asked = vec![check_id(first.as_ref())?];
        while let Ok(id) = args.next() {
            asked.push(check_id(id.as_ref())?);
        }
        Ok(Self { name, asked: Some(asked) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_ids_is_asked_for_after_one_word() {
        let asked = |words| Request::parse(Args::new(words)).map(|request| request.asked);
        assert_eq!(asked(&["key"]), Ok(None));
        assert_eq!(asked(&["key", "ID", "x"]), Ok(Some(vec![&b"x"[..]])));
        assert_eq!(asked(&["key", "id", "x", "ID", "x"]), Ok(Some(vec![&b"x"[..], b"ID", b"x"])));
        assert_eq!(asked(&["key", "ID"]), Err(Error::Syntax));
        assert_eq!(asked(&["key", "x"]), Err(Error::Syntax));
        assert_eq!(asked(&["key", "ID", "x", ""]), Err(Error::IdLength));
        assert_eq!(asked(&[]), Err(Error::Syntax));
    }
}
