//! Reading the arguments of a command: a cursor.
//!
//! An argument is anything that is bytes: strings of the server, or those of a test.

use std::ops::RangeInclusive;

use crate::error::Error;
use crate::numbers::parse_integer;

/// The arguments that have not been read yet.
#[derive(Debug)]
pub(crate) struct Args<'a, S> {
    rest: &'a [S],
}

impl<'a, S: AsRef<[u8]>> Args<'a, S> {
    /// A cursor before the first of `args`, which do not include the name of
    /// the command.
    pub(crate) fn new(args: &'a [S]) -> Self {
        Self { rest: args }
    }

    /// The next argument. Its absence is a syntax error.
    pub(crate) fn next(&mut self) -> Result<&'a S, Error> {
        let (first, rest) = self.rest.split_first().ok_or(Error::Syntax)?;
        self.rest = rest;
        Ok(first)
    }

    /// The next argument if there is one, as the name of an option: bytes to
    /// be compared without regard to case.
    pub(crate) fn next_option(&mut self) -> Option<&'a [u8]> {
        self.next().ok().map(AsRef::as_ref)
    }

    /// The next argument as an integer in `range`.
    pub(crate) fn integer(&mut self, range: RangeInclusive<i64>) -> Result<i64, Error> {
        parse_integer(self.next()?.as_ref())
            .filter(|n| range.contains(n))
            .ok_or(Error::NotAnInteger)
    }

    /// The next argument, if it is the last.
    pub(crate) fn only(mut self) -> Result<&'a S, Error> {
        let only = self.next()?;
        self.finish()?;
        Ok(only)
    }

    /// Whether the option `name` comes next.
    pub(crate) fn has_next(&self, name: &str) -> bool {
        let first = self.rest.first();
        first.is_some_and(|option| option.as_ref().eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The next argument as the option `name` and its value, if it is that.
    pub(crate) fn named(&mut self, name: &str) -> Result<Option<&'a S>, Error> {
        if !self.has_next(name) {
            return Ok(None);
        }
        self.next()?;
        self.next().map(Some)
    }

    /// The same, where the value is an integer in `range`.
    pub(crate) fn named_integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Error> {
        let value = self.named(name)?;
        value.map(|value| Args::new(std::slice::from_ref(value)).integer(range)).transpose()
    }

    /// The next arguments as a number of keys, at most `limit`, and as many keys.
    pub(crate) fn keys(&mut self, limit: usize) -> Result<&'a [S], Error> {
        let number = parse_integer(self.next()?.as_ref()).filter(|&number| number > 0);
        let number =
            usize::try_from(number.ok_or(Error::NumKeys)?).map_err(|_| Error::TooFewKeys)?;
        let (keys, rest) = self.rest.split_at_checked(number).ok_or(Error::TooFewKeys)?;
        if keys.len() > limit {
            return Err(Error::TooManyKeys);
        }
        self.rest = rest;
        Ok(keys)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading: anything left is a syntax error.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Syntax) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_order_and_all_of_them() {
        let mut args = Args::new(&["key", "7", "px"]);
        assert_eq!(args.next(), Ok(&"key"));
        assert_eq!(args.integer(1..=9), Ok(7));
        assert!(!args.is_empty());
        assert_eq!(args.next_option(), Some(&b"px"[..]));
        assert_eq!(args.next_option(), None);
        assert_eq!(args.next(), Err(Error::Syntax));
        assert_eq!(args.finish(), Ok(()));
        assert_eq!(Args::new(&["left"]).finish(), Err(Error::Syntax));
    }

    #[test]
    fn an_integer_outside_of_its_range_is_refused() {
        for text in ["0", "-1", "10", "x", ""] {
            assert_eq!(Args::new(&[text]).integer(1..=9), Err(Error::NotAnInteger), "{text}");
        }
    }

    #[test]
    fn keys_are_counted() {
        let mut args = Args::new(&["2", "a", "b", "c"]);
        assert_eq!(args.keys(2), Ok(&["a", "b"][..]));
        assert_eq!(args.next(), Ok(&"c"));
        for number in ["0", "-1", "x", "1.5"] {
            assert_eq!(Args::new(&[number, "a"]).keys(2), Err(Error::NumKeys), "{number}");
        }
        for number in ["2", "9223372036854775807"] {
            assert_eq!(Args::new(&[number, "a"]).keys(1), Err(Error::TooFewKeys), "{number}");
        }
        assert_eq!(Args::new(&["3", "a", "b", "c"]).keys(2), Err(Error::TooManyKeys));
    }

    #[test]
    fn a_named_value_is_read_if_it_is_there() {
        let mut args = Args::new(&["id", "x", "y"]);
        assert_eq!(args.named("ID"), Ok(Some(&"x")));
        assert_eq!(args.named("ID"), Ok(None));
        assert_eq!(args.next(), Ok(&"y"));
        assert_eq!(Args::new(&["ID"]).named("ID"), Err(Error::Syntax));
    }
}
