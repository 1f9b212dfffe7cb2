//! `LATCH.SET key count [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
//! [LINGER seconds]`

use crate::args::{Args, ExpireUnit, format_seconds, parse_integer, parse_linger};
use crate::error::Error;
use crate::ffi::command::{Arg, Command, KeyUse, Spec};
use crate::ffi::context::{Context, EventClass, Reply, now};
use crate::ffi::key::Key;
use crate::ffi::string::Str;
use crate::latch::{Latch, MAX_COUNT};
use crate::parking;
use crate::stats;

use super::Opening;

/// Creates a latch, or starts an existing one over.
#[derive(Debug)]
pub(crate) struct Set;

impl Command for Set {
    const SPEC: Spec = Spec {
        name: c"latch.set",
        flags: c"write deny-oom fast",
        categories: c"write fast",
        summary: c"Creates a latch with a count, or resets an existing one; a count of 0 opens it.",
        complexity: c"O(1), or O(N) when it opens, where N is the number of parked clients, in bounded steps",
        since: c"0.1.0",
        arity: -3,
        keys: KeyUse::OVERWRITE,
        args: &[
            Arg::key(),
            Arg::integer(c"count"),
            Arg::one_of(c"condition", &[Arg::word(c"nx", c"NX"), Arg::word(c"xx", c"XX")])
                .optional(),
            Arg::one_of(
                c"expiration",
                &[
                    Arg::integer(c"seconds").after(c"EX"),
                    Arg::integer(c"milliseconds").after(c"PX"),
                    Arg::unix_time(c"unix-time-seconds").after(c"EXAT"),
                    Arg::unix_time(c"unix-time-milliseconds").after(c"PXAT"),
                    Arg::word(c"keepttl", c"KEEPTTL"),
                ],
            )
            .optional(),
            Arg::double(c"linger-seconds").after(c"LINGER").optional(),
        ],
    };

    fn run(ctx: Context<'_>, mut args: Args<'_, Str<'_>>) -> Result<Reply, Error> {
        let name = *args.next()?;
        let count = args.integer(0..=MAX_COUNT)?;
        let options = Options::parse(args, now())?;

        let key = Key::write(ctx, name);
        let exists = key.latch()?.is_some();
        if !options.condition.is_none_or(|condition| condition.is_met(exists)) {
            return Ok(Reply::Null);
        }
        if exists || count > 0 || options.linger > 0 {
            store(ctx, name, key, count, &options)?;
        } else if !ctx.is_loading()
            && parking::with_lot(|lot| lot.open(ctx.db(), name.bytes(), None))
        {
            // Nothing is stored, but a latch that was waited for came open.
            drop(key);
            propagate(ctx, name, count, &options);
            stats::SET.count();
            stats::OPEN.count();
            ctx.notify(EventClass::Module, c"latch.set", name);
            ctx.notify(EventClass::Module, c"latch.open", name);
            parking::release(ctx);
        }
        Ok(Reply::Ok)
    }
}

/// Makes a latch, or resets the one that is there; with a count of 0 it opens.
fn store(
    ctx: Context<'_>,
    name: Str<'_>,
    mut key: Key<'_>,
    count: i64,
    options: &Options,
) -> Result<(), Error> {
    let round = match key.latch_mut()? {
        Some(latch) => {
            latch.reset(count, options.linger);
            latch.round()
        }
        None => {
            let round = key.put(Latch::new(count, options.linger));
            // One that a load makes is looked at when that is over.
            if !ctx.is_loading() {
                parking::with_lot(|lot| lot.create(ctx.db(), name.bytes(), round, now()));
                parking::release_soon(); // of a latch that went unnoticed
            }
            round
        }
    };
    stats::SET.count();
    let event = c"latch.set";
    if count == 0 {
        propagate(ctx, name, count, options);
        let opening = Opening { round, linger: options.linger };
        super::opened(ctx, name, key, opening, event);
        return Ok(());
    }
    let expiry = options.expiry.apply(&mut key);
    propagate(ctx, name, count, &Options { expiry, ..*options });
    let (db, expires) = (ctx.db(), key.expiry());
    parking::with_lot(|lot| lot.note_expiry(db, name.bytes(), round, expires));
    drop(key);
    super::changed(ctx, name, event);
    Ok(())
}

/// Propagates what was done, without the condition that was met, and with the
/// time at which the latch expires: the same whenever it is replayed.
fn propagate(ctx: Context<'_>, name: Str<'_>, count: i64, options: &Options) {
    if *options == Options::default() {
        return ctx.replicate_verbatim(); // it says all this already
    }
    let mut args = vec![count.to_string()];
    match options.expiry {
        _ if count == 0 => {} // opening replaces the time to live
        Expiry::Never => {}
        Expiry::Keep => args.push("KEEPTTL".into()),
        Expiry::At(at) => args.extend(["PXAT".into(), at.to_string()]),
        Expiry::In(millis) => args.extend(["PX".into(), millis.to_string()]),
    }
    if options.linger > 0 {
        args.extend(["LINGER".into(), format_seconds(options.linger)]);
    }
    let args: Vec<_> = args.iter().map(String::as_bytes).collect();
    ctx.replicate(c"LATCH.SET", name, &args);
}

/// What must be true of the key for anything to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// `NX`
    Missing,
    /// `XX`
    Existing,
}

impl Condition {
    fn is_met(self, exists: bool) -> bool {
        exists == (self == Self::Existing)
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
struct Options {
    condition: Option<Condition>,
    expiry: Expiry,
    /// In ms; 0: the latch leaves its key when it opens.
    linger: i64,
}

impl Options {
    /// Reads what follows the count, at the time `now` in ms.
    fn parse<S: AsRef<[u8]>>(mut args: Args<'_, S>, now: i64) -> Result<Self, Error> {
        let mut condition = None;
        let mut expiry = None;
        let mut linger = None;
        while let Some(option) = args.next_option() {
            let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            let repeated = if is("NX") {
                condition.replace(Condition::Missing).is_some()
            } else if is("XX") {
                condition.replace(Condition::Existing).is_some()
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
        Ok(Self { condition, expiry, linger })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn parse(options: &str) -> Result<Options, Error> {
        let options: Vec<_> = options.split_whitespace().collect();
        Options::parse(Args::new(&options), NOW)
    }

    #[test]
    fn options_come_in_any_order_and_case() {
        let both =
            Options { condition: Some(Condition::Missing), expiry: Expiry::In(5000), linger: 0 };
        assert_eq!(parse(""), Ok(Options::default()));
        assert_eq!(parse("NX EX 5"), Ok(both));
        assert_eq!(parse("ex 5 nX"), Ok(both));
        assert_eq!(parse("xx").unwrap().condition, Some(Condition::Existing));
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
    fn conditions_are_about_existence() {
        assert!(Condition::Missing.is_met(false) && !Condition::Missing.is_met(true));
        assert!(Condition::Existing.is_met(true) && !Condition::Existing.is_met(false));
    }
}
