//! Options that several commands have.

use border::spec::{Arg, Kind};

use crate::args::Args;
use crate::error::Error;
use crate::latch::{MAX_COUNT, is_id};

/// The key of a command.
pub(super) const KEY: Arg = Arg::new(c"key", Kind::Key);

/// How long to wait.
pub(super) const TIMEOUT: Arg = Arg::new(c"timeout", Kind::Double);

/// `ID id`, where there must be one: whose the command is. Sent again it does nothing.
pub(super) const OWN_ID: Arg = Arg::new(c"id", Kind::String).after(c"ID");

/// `ID id`, where it may be left out.
pub(super) const ID: Arg = OWN_ID.optional();

/// `COUNT count`: how much is returned at most.
pub(super) const COUNT: Arg = Arg::new(c"count", Kind::Integer).after(c"COUNT").optional();

/// Reads the option `ID id`, if it comes next.
pub(super) fn read_id<'a, S: AsRef<[u8]>>(
    args: &mut Args<'a, S>,
) -> Result<Option<&'a [u8]>, Error> {
    args.named("ID")?.map(|id| check_id(id.as_ref())).transpose()
}

/// The id, if it can be one.
pub(super) fn check_id(id: &[u8]) -> Result<&[u8], Error> {
    if is_id(id) { Ok(id) } else { Err(Error::IdLength) }
}

/// Reads the option `COUNT count`, if it is there, which is the last; else it is `default`.
pub(super) fn read_limit<S: AsRef<[u8]>>(
    mut args: Args<'_, S>,
    default: usize,
) -> Result<usize, Error> {
    let limit = args.named_integer("COUNT", 1..=MAX_COUNT)?;
    args.finish()?;
    Ok(limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// What a command that counts down may be given, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counting<'a> {
    /// Who counts down; it counts once.
    pub(super) id: Option<&'a [u8]>,
    /// What no latch, or one that has opened without this id, is to it, if it says so.
    pub(super) missing: Option<Missing>,
}

impl<'a> Counting<'a> {
    /// `MISSING …` of such a command, which does not wait for a latch to come.
    pub(super) const MISSING: Arg = Arg::new(
        c"missing",
        Kind::OneOf(&[Arg::word(c"open", c"OPEN"), Arg::word(c"error", c"ERROR")]),
    )
    .after(c"MISSING")
    .optional();

    /// Whether it is a mistake that there is no latch, or one that has opened without this
    /// id: a part too many.
    pub(super) fn is_strict(self) -> bool {
        self.missing == Some(Missing::Error)
    }

    /// Reads the options, which are the last of the arguments.
    pub(super) fn parse<S: AsRef<[u8]>>(mut args: Args<'a, S>) -> Result<Self, Error> {
        let (mut id, mut missing) = (None, None);
        while !args.is_empty() {
            let repeated = if args.has_next("MISSING") {
                missing.replace(Missing::read(&mut args)?).is_some()
            } else {
                id.replace(read_id(&mut args)?.ok_or(Error::Syntax)?).is_some()
            };
            if repeated || missing == Some(Missing::Wait) {
                return Err(Error::Syntax);
            }
        }
        Ok(Self { id, missing })
    }
}

/// `MISSING …`: what a key that does not exist is to a wait that begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missing {
    /// An open latch.
    #[default]
    Open,
    /// A mistake.
    Error,
    /// A latch that is still to come.
    Wait,
}

impl Missing {
    pub(super) const ARG: Arg = Arg::new(
        c"missing",
        Kind::OneOf(&[
            Arg::word(c"open", c"OPEN"),
            Arg::word(c"error", c"ERROR"),
            Arg::word(c"wait", c"WAIT"),
        ]),
    )
    .after(c"MISSING")
    .optional();

    /// Reads the option, if it comes next.
    pub(super) fn read<S: AsRef<[u8]>>(args: &mut Args<'_, S>) -> Result<Self, Error> {
        match args.named("MISSING")?.map(AsRef::as_ref) {
            None => Ok(Self::default()),
            Some(word) if word.eq_ignore_ascii_case(b"OPEN") => Ok(Self::Open),
            Some(word) if word.eq_ignore_ascii_case(b"ERROR") => Ok(Self::Error),
            Some(word) if word.eq_ignore_ascii_case(b"WAIT") => Ok(Self::Wait),
            Some(_) => Err(Error::Syntax),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latch::MAX_TEXT;

    #[test]
    fn what_is_missing_is_open_unless_told_otherwise() {
        for (words, missing) in [
            (&[][..], Ok(Missing::Open)),
            (&["MISSING", "OPEN"], Ok(Missing::Open)),
            (&["missing", "Error"], Ok(Missing::Error)),
            (&["Missing", "wait"], Ok(Missing::Wait)),
            (&["MISSING"], Err(Error::Syntax)),
            (&["MISSING", "FOO"], Err(Error::Syntax)),
        ] {
            assert_eq!(Missing::read(&mut Args::new(words)), missing, "{words:?}");
        }
    }

    #[test]
    fn an_id_has_1_to_1024_bytes() {
        let (longest, too_long) = ("x".repeat(MAX_TEXT), "x".repeat(MAX_TEXT + 1));
        for (words, id) in [
            (&[][..], Ok(None)),
            (&["ID", "x"], Ok(Some(&b"x"[..]))),
            (&["id", &longest], Ok(Some(longest.as_bytes()))),
            (&["ID", &too_long], Err(Error::IdLength)),
            (&["ID", ""], Err(Error::IdLength)),
            (&["ID"], Err(Error::Syntax)),
        ] {
            assert_eq!(read_id(&mut Args::new(words)), id, "{words:?}");
        }
    }

    #[test]
    fn what_counts_down_takes_its_options_in_any_order() {
        let x = Some(&b"x"[..]);
        for (words, id, missing) in [
            (&[][..], None, None),
            (&["ID", "x"], x, None),
            (&["MISSING", "ERROR"], None, Some(Missing::Error)),
            (&["missing", "open", "id", "x"], x, Some(Missing::Open)),
            (&["ID", "x", "MISSING", "error"], x, Some(Missing::Error)),
            (&["ID", "MISSING", "MISSING", "ERROR"], Some(b"MISSING"), Some(Missing::Error)),
        ] {
            let counting = Counting::parse(Args::new(words)).unwrap();
            assert_eq!(counting, Counting { id, missing }, "{words:?}");
            assert_eq!(counting.is_strict(), missing == Some(Missing::Error));
        }
    }

    #[test]
    fn what_counts_down_does_not_wait_for_a_latch_to_come() {
        for words in [
            &["MISSING", "WAIT"][..],
            &["MISSING"],
            &["MISSING", "OPEN", "MISSING", "OPEN"],
            &["ID", "x", "ID", "x"],
            &["ID", "x", "y"],
            &["ID"],
            &["x"],
        ] {
            assert_eq!(Counting::parse(Args::new(words)), Err(Error::Syntax), "{words:?}");
        }
        assert_eq!(Counting::parse(Args::new(&["ID", ""])), Err(Error::IdLength));
    }

    #[test]
    fn as_much_is_returned_as_is_asked_for() {
        let limit = |words| read_limit(Args::new(words), 10);
        assert_eq!(limit(&[]), Ok(10));
        assert_eq!(limit(&["count", "3"]), Ok(3));
        assert_eq!(limit(&["COUNT", "0"]), Err(Error::NotAnInteger));
        assert_eq!(limit(&["COUNT"]), Err(Error::Syntax));
        assert_eq!(limit(&["COUNT", "3", "4"]), Err(Error::Syntax));
        assert_eq!(limit(&["3"]), Err(Error::Syntax));
    }
}
