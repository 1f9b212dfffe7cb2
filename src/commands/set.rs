//! `LATCH.SET`

use border::command::{Call, Command};
use border::context::{Context, now};
use border::propagation::EventClass;
use border::reply::Reply;
use border::spec::{Arg, KeyUse, Kind, Spec};
use border::string::Str;

use super::options::{ID, KEY, check_id};
use super::{announce, follow_opening};
use crate::args::Args;
use crate::error::Error;
use crate::latch::{Latch, MAX_COUNT, Opening, State};
use crate::numbers::parse_integer;
use crate::parking::{release, release_soon, with_lot};
use crate::payload::Key;
use crate::reclaim;
use crate::stats;
use crate::time::{ExpireUnit, format_seconds, parse_linger};

/// Creates a latch, or starts an existing one over.
#[derive(Debug)]
pub(crate) struct Set;

impl Command for Set {
    type Error = Error;

    const SPEC: &'static Spec = &Spec {
        name: c"latch.set",
        flags: c"write deny-oom fast",
        categories: c"write fast",
        summary: c"Creates a latch with a count, or resets an existing one; a count of 0 opens it. A latch that the same id has set is left as it is. With LINGER it stays for so long after it has opened.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::OVERWRITE,
        args: &[
            KEY,
            Arg::new(c"count", Kind::Integer),
            Arg::new(
                c"condition",
                Kind::OneOf(&[
                    Arg::word(c"nx", c"NX"),
                    Arg::word(c"xx", c"XX"),
                    Arg::word(c"ifopen", c"IFOPEN"),
                ]),
            )
            .optional(),
            ID,
            Arg::new(
                c"expiration",
                Kind::OneOf(&[
                    Arg::new(c"seconds", Kind::Integer).after(c"EX"),
                    Arg::new(c"milliseconds", Kind::Integer).after(c"PX"),
                    Arg::new(c"unix-time-seconds", Kind::UnixTime).after(c"EXAT"),
                    Arg::new(c"unix-time-milliseconds", Kind::UnixTime).after(c"PXAT"),
                    Arg::word(c"keepttl", c"KEEPTTL"),
                ]),
            )
            .optional(),
            Arg::new(c"linger-seconds", Kind::Double).after(c"LINGER").optional(),
        ],
    };

    fn run(call: Call<'_>, args: &[Str<'_>]) -> Result<Reply, Error> {
        let Request { name, count, options } = Request::parse(Args::new(args), now())?;
        let key = Key::write(*call, *name);
        let latch = key.value()?;
        // What the master or the AOF says was done.
        if latch.is_some_and(|latch| latch.was_set_by(options.id)) && !call.is_replaying() {
            stats::DUPLICATE.count();
            return Ok(Reply::Ok);
        }
        if !options.condition.is_none_or(|condition| condition.is_met(latch.map(Latch::state))) {
            return Ok(Reply::Null);
        }
        if latch.is_some() || count > 0 || options.linger > 0 {
            store(call, *name, key, count, &options)?;
        } else {
            drop(key);
            open_the_missing(call, *name, &options);
        }
        Ok(Reply::Ok)
    }
}

/// A latch that does not exist opens as it is made, and nothing is stored: that is only
/// something if somebody has waited for it.
fn open_the_missing(call: Call<'_>, name: Str<'_>, options: &Options<'_>) {
    if !call.is_loading() && with_lot(call.lock(), |lot| lot.open(call.db(), name.bytes(), None)) {
        propagate(call, name, 0, options);
        stats::SET.count();
        stats::OPEN.count();
        call.notify(EventClass::Module, c"latch.set", name);
        call.notify(EventClass::Module, c"latch.open", name);
        release(*call);
    }
}

/// Makes a latch, or resets the one that is there; with a count of 0 it opens.
fn store<'a>(
    call: Call<'a>,
    name: Str<'_>,
    mut key: Key<'a>,
    count: i64,
    options: &Options<'_>,
) -> Result<(), Error> {
    let opening = if let Some(latch) = key.value_mut()? {
        reclaim::give_back(call.lock(), latch.reset(count, options.linger, options.id));
        latch.opening()
    } else {
        let opening = make(*call, name, key, Latch::new(count, options.linger, options.id));
        key = Key::write(*call, name);
        let is_there = |latch: &Latch| latch.round() == opening.round;
        if !matches!(key.value(), Ok(Some(latch)) if is_there(latch)) {
            return Ok(()); // who heard of it has taken it away again
        }
        opening
    };
    stats::SET.count();
    let event = c"latch.set";
    if count == 0 {
        propagate(call, name, count, options);
        follow_opening(call, name, key, opening, event);
        return Ok(());
    }
    let expiry = options.expiry.apply(&mut key);
    let expires = key.expiry();
    drop(key);
    propagate(call, name, count, &Options { expiry, ..*options });
    if !call.is_loading() {
        let (db, round) = (call.db(), opening.round);
        with_lot(call.lock(), |lot| lot.note_expiry(db, name.bytes(), round, expires));
    }
    announce(*call, name, event);
    Ok(())
}

/// Puts a new latch into an empty key, which is closed.
fn make(ctx: Context<'_>, name: Str<'_>, key: Key<'_>, latch: Latch) -> Opening {
    let opening = latch.opening();
    key.put(latch);
    // One that a load makes is looked at when that is over.
    if !ctx.is_loading() {
        with_lot(ctx.lock(), |lot| lot.create(ctx.db(), name.bytes(), opening.round, now()));
        release_soon(ctx.lock()); // of a latch that went unnoticed
    }
    opening
}

/// Propagates what was done, without the condition that was met, and with the
/// time at which the latch expires: the same whenever it is replayed.
fn propagate(call: Call<'_>, name: Str<'_>, count: i64, options: &Options<'_>) {
    if *options == Options::default() {
        return call.replicate_verbatim(); // it says all this already
    }
    let mut times = Vec::new();
    match options.expiry {
        _ if count == 0 => {} // opening replaces the time to live
        Expiry::Never => {}
        Expiry::Keep => times.push("KEEPTTL".into()),
        Expiry::At(at) => times.extend(["PXAT".into(), at.to_string()]),
        Expiry::In(_) => unreachable!("it was applied, and is a time now"),
    }
    if options.linger > 0 {
        times.extend(["LINGER".into(), format_seconds(options.linger)]);
    }
    let count = count.to_string();
    let mut args = vec![count.as_bytes()];
    args.extend(options.id.into_iter().flat_map(|id| [&b"ID"[..], id]));
    args.extend(times.iter().map(String::as_bytes));
    call.replicate(c"LATCH.SET", name, &args);
}

#[derive(Debug, PartialEq, Eq)]
struct Request<'a, S> {
    name: &'a S,
    count: i64,
    options: Options<'a>,
}

impl<'a, S: AsRef<[u8]>> Request<'a, S> {
    /// Reads the arguments at the time `now` in ms.
    fn parse(mut args: Args<'a, S>, now: i64) -> Result<Self, Error> {
        let (name, count) = (args.next()?, args.integer(0..=MAX_COUNT)?);
        Ok(Self { name, count, options: Options::parse(args, now)? })
    }
}

/// What must be true of the key for anything to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// `NX`
    Missing,
    /// `XX`
    Existing,
    /// `IFOPEN`
    NotInUse,
}

impl Condition {
    /// Whether it is met by what a latch is, if there is one.
    fn is_met(self, state: Option<State<'_>>) -> bool {
        match self {
            Self::Missing => state.is_none(),
            Self::Existing => state.is_some(),
            Self::NotInUse => matches!(state, None | Some(State::Open)),
        }
    }
}

/// What becomes of the time to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expiry {
    /// There is none.
    #[default]
    Never,
    /// It ends at this Unix time in ms.
    At(i64),
    /// It ends so many ms after the time of the command.
    In(i64),
    /// What there was.
    Keep,
}

impl Expiry {
    /// Has the key expire like that; the same in absolute terms.
    fn apply(self, key: &mut Key<'_>) -> Self {
        match self {
            Self::Never => key.set_expiry(None),
            Self::At(at) => key.set_expiry(Some(at)),
            Self::In(millis) => return Self::At(key.expire_in(millis)),
            Self::Keep => {}
        }
        self
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    condition: Option<Condition>,
    /// Who sets it.
    id: Option<&'a [u8]>,
    expiry: Expiry,
    /// In ms; 0: the latch leaves its key when it opens.
    linger: i64,
}

impl<'a> Options<'a> {
    /// Reads what follows the count, at the time `now` in ms.
    fn parse<S: AsRef<[u8]>>(mut args: Args<'a, S>, now: i64) -> Result<Self, Error> {
        let mut condition = None;
        let mut id = None;
        let mut expiry = None;
        let mut linger = None;
        while let Some(option) = args.next_option() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            let repeated = if is("NX") {
                condition.replace(Condition::Missing).is_some()
            } else if is("XX") {
                condition.replace(Condition::Existing).is_some()
            } else if is("IFOPEN") {
                condition.replace(Condition::NotInUse).is_some()
            } else if is("ID") {
                id.replace(check_id(args.next()?.as_ref())?).is_some()
            } else if is("KEEPTTL") {
                expiry.replace(Expiry::Keep).is_some()
            } else if is("LINGER") {
                linger.replace(parse_linger(args.next()?.as_ref())?).is_some()
            } else if let Some(unit) = ExpireUnit::from_option(option) {
                let value = args.next()?.as_ref();
                let value = parse_integer(value).ok_or(Error::NotAnInteger)?;
                // Checked as core does, also where it counts from the command's time.
                let at = unit.deadline(value, now)?;
                let new = if unit.is_relative() { Expiry::In(at - now) } else { Expiry::At(at) };
                expiry.replace(new).is_some()
            } else {
                return Err(Error::Syntax);
            };
            if repeated {
                return Err(Error::Syntax);
            }
        }
        let (expiry, linger) = (expiry.unwrap_or_default(), linger.unwrap_or(0));
        Ok(Self { condition, id, expiry, linger })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    /// The options, with nothing that they borrow, and the id.
    fn parse_all(options: &str) -> Result<(Options<'static>, Option<String>), Error> {
        let words: Vec<_> = ["key", "1"].into_iter().chain(options.split_whitespace()).collect();
        let Options { condition, id, expiry, linger } =
            Request::parse(Args::new(&words), NOW)?.options;
        let id = id.map(|id| String::from_utf8_lossy(id).into_owned());
        Ok((Options { condition, id: None, expiry, linger }, id))
    }

    fn parse(options: &str) -> Result<Options<'static>, Error> {
        parse_all(options).map(|(options, _)| options)
    }

    #[test]
    fn a_count_is_not_negative() {
        let count = |text| Request::parse(Args::new(&["key", text]), NOW).map(|it| it.count);
        assert_eq!(count("0"), Ok(0));
        assert_eq!(count("9223372036854775807"), Ok(MAX_COUNT));
        for text in ["-1", "9223372036854775808", "1.5", "x", ""] {
            assert_eq!(count(text), Err(Error::NotAnInteger), "{text}");
        }
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let (condition, expiry) = (Some(Condition::Missing), Expiry::In(5000));
        let both = Options { condition, expiry, ..Options::default() };
        assert_eq!(parse(""), Ok(Options::default()));
        assert_eq!(parse("NX EX 5"), Ok(both));
        assert_eq!(parse("ex 5 nX"), Ok(both));
        assert_eq!(parse("xx").unwrap().condition, Some(Condition::Existing));
        assert_eq!(parse("ifopen").unwrap().condition, Some(Condition::NotInUse));
        assert_eq!(parse("keepttl").unwrap().expiry, Expiry::Keep);
        assert_eq!(parse("PXAT 7").unwrap().expiry, Expiry::At(7));
    }

    #[test]
    fn unknown_repeated_and_contradictory_options_are_syntax_errors() {
        for options in [
            "FOO",
            "NX NX",
            "NX XX",
            "XX NX",
            "NX IFOPEN",
            "IFOPEN IFOPEN",
            "ID",
            "ID x ID x",
            "NX ID",
            "EX",
            "EX 1 EX 1",
            "EX 1 PX 1",
            "KEEPTTL KEEPTTL",
            "KEEPTTL PX 1",
            "EXAT 9 KEEPTTL",
            "NX EX",
            "5",
        ] {
            assert_eq!(parse(options), Err(Error::Syntax), "{options}");
        }
    }

    #[test]
    fn bad_times_to_live_are_refused() {
        assert_eq!(parse("EX x"), Err(Error::NotAnInteger));
        assert_eq!(parse("EX 1.5"), Err(Error::NotAnInteger));
        assert_eq!(parse("PX 0"), Err(Error::InvalidExpire));
        assert_eq!(parse("EXAT -1"), Err(Error::InvalidExpire));
    }

    #[test]
    fn an_id_may_be_any_word() {
        for (options, id) in [("", None), ("ID x", Some("x")), ("nx id NX ex 5", Some("NX"))] {
            assert_eq!(parse_all(options).unwrap().1.as_deref(), id, "{options}");
        }
        let too_long = "x".repeat(1025);
        assert_eq!(parse(&format!("ID {too_long}")), Err(Error::IdLength));
    }

    #[test]
    fn conditions_are_about_what_is_there() {
        for (state, conditions) in [
            (None, [true, false, true]),
            (Some(State::Closed), [false, true, false]),
            (Some(State::Open), [false, true, true]),
            (Some(State::Aborted(b"why")), [false, true, false]),
        ] {
            let all = [Condition::Missing, Condition::Existing, Condition::NotInUse];
            assert_eq!(all.map(|condition| condition.is_met(state)), conditions, "{state:?}");
        }
    }
}
