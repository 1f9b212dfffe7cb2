//! Options that several commands have.

use border::spec::{Arg, Kind};

use crate::args::Args;
use crate::error::Error;
use crate::latch::is_id;

/// The key of a command.
pub(super) const KEY: Arg = Arg::new(c"key", Kind::Key);

/// How long to wait.
pub(super) const TIMEOUT: Arg = Arg::new(c"timeout", Kind::Double);

/// `ID id`: who counts down.
pub(super) const ID: Arg = Arg::new(c"id", Kind::String).after(c"ID").optional();

/// Reads the option `ID id`, if it comes next.
pub(super) fn read_id<'a, S: AsRef<[u8]>>(
    args: &mut Args<'a, S>,
) -> Result<Option<&'a [u8]>, Error> {
    match args.named("ID")?.map(AsRef::as_ref) {
        Some(id) if !is_id(id) => Err(Error::IdLength),
        id => Ok(id),
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
}
