//! `LATCH.ADD`

use border::command::{Call, Command};
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::options::{ID, KEY, read_id};
use super::{announce, existing};
use crate::args::Args;
use crate::error::Error;
use crate::latch::{Addition, MAX_COUNT};
use crate::payload::Key;
use crate::stats;

/// Raises the count of a closed latch.
#[derive(Debug)]
pub(crate) struct Add;

impl Command for Add {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.add",
        flags: c"write fast",
        categories: c"write fast",
        summary: c"Raises the count of a closed latch and returns it. An id counts once, and announces the part that counts down with the same id.",
        complexity: c"O(1)",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::UPDATE,
        args: &[KEY, Arg::new(c"increment", Kind::Integer), ID],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, by, id } = Request::parse(Args::new(args))?;
        let mut key = Key::write(*call, *name);
        let addition = existing(&mut key)?.add(by, id)?;
        drop(key);
        match addition {
            Addition::Duplicate(count) => {
                stats::DUPLICATE.count();
                Ok(Reply::Integer(count))
            }
            Addition::Raised(count) => {
                call.replicate_verbatim();
                announce(*call, *name, c"latch.add");
                Ok(Reply::Integer(count))
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    by: i64,
    id: Option<&'a [u8]>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    fn parse(mut args: Args<'a, S>) -> Result<Self, Error> {
        let (name, by) = (args.next()?, args.integer(1..=MAX_COUNT)?);
        let id = read_id(&mut args)?;
        args.finish()?;
        Ok(Self { name, by, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_increment_is_at_least_1() {
        let by = |text| Request::parse(Args::new(&["key", text])).map(|request| request.by);
        assert_eq!(by("1"), Ok(1));
        assert_eq!(by("9223372036854775807"), Ok(MAX_COUNT));
        for text in ["0", "-1", "9223372036854775808", "1.5", "x", ""] {
            assert_eq!(by(text), Err(Error::NotAnInteger), "{text}");
        }
    }

    #[test]
    fn an_id_may_follow() {
        let id = |words| Request::parse(Args::new(words)).map(|request| request.id);
        assert_eq!(id(&["key", "1"]), Ok(None));
        assert_eq!(id(&["key", "1", "id", "x"]), Ok(Some(&b"x"[..])));
        assert_eq!(id(&["key", "1", "ID", ""]), Err(Error::IdLength));
        for words in [
            &["key", "1", "2"][..],
            &["key", "1", "ID"],
            &["key", "1", "ID", "x", "ID", "x"],
            &["key", "1", "ID", "x", "MISSING", "OPEN"],
        ] {
            assert_eq!(id(words), Err(Error::Syntax), "{words:?}");
        }
        assert_eq!(id(&["key", "ID", "x"]), Err(Error::NotAnInteger));
    }
}
