//! The settings: `CONFIG SET latch.…`, or arguments of `loadmodule`.

use border::config::{Setting, apply};
use border::entry::Loading;

use crate::numbers::parse_integer;

/// `latch.max-waiters`: how many clients may be parked; 0 is no limit.
static MAX_WAITERS: Setting = Setting::new(c"max-waiters", 0, 0..=1_000_000);

/// `latch.max-keys`: how many keys one wait may name. To park for them and to leave them is
/// done in one go.
static MAX_KEYS: Setting = Setting::new(c"max-keys", 1000, 1..=1_000_000);

/// `latch.wake-batch`: how many clients, of one key each, are released in every second turn of
/// the event loop.
static WAKE_BATCH: Setting = Setting::new(c"wake-batch", 256, 1..=1_000_000);

static SETTINGS: [&Setting; 3] = [&MAX_WAITERS, &MAX_KEYS, &WAKE_BATCH];

/// How many clients may be parked.
pub(crate) fn max_waiters() -> usize {
    match usize::try_from(MAX_WAITERS.get()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    }
}

/// How many keys one wait may name.
pub(crate) fn max_keys() -> usize {
    usize::try_from(MAX_KEYS.get()).unwrap_or(1)
}

/// How many clients are released at a time.
pub(crate) fn wake_batch() -> usize {
    usize::try_from(WAKE_BATCH.get()).unwrap_or(1)
}

/// Registers the settings and applies the configuration file.
///
/// # Errors
/// What the server refused.
pub(crate) fn register(loading: &Loading<'_>) -> Result<(), String> {
    for setting in SETTINGS {
        setting.register(loading)?;
    }
    apply(loading)
}

/// Takes `name value` pairs from the `loadmodule` line.
///
/// # Errors
/// What is wrong with the first pair that cannot be taken.
pub(crate) fn read_arguments<S: AsRef<[u8]>>(args: &[S]) -> Result<(), String> {
    for pair in args.chunks(2) {
        let name = pair[0].as_ref();
        let shown = String::from_utf8_lossy(name);
        let setting = find(name).ok_or_else(|| {
            let known: Vec<_> = SETTINGS.iter().map(|setting| full_name(setting)).collect();
            format!("there is no setting '{shown}', only {}", known.join(", "))
        })?;
        let (min, max) = (setting.range.start(), setting.range.end());
        let value = pair
            .get(1)
            .and_then(|value| parse_integer(value.as_ref()))
            .filter(|value| setting.range.contains(value))
            .ok_or_else(|| format!("{shown} needs a number from {min} to {max}"))?;
        setting.set(value);
    }
    Ok(())
}

fn full_name(setting: &Setting) -> String {
    format!("latch.{}", setting.name.to_string_lossy())
}

fn find(name: &[u8]) -> Option<&'static Setting> {
    SETTINGS.into_iter().find(|setting| name.eq_ignore_ascii_case(full_name(setting).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_cannot_be_taken_are_refused_with_a_reason() {
        for (args, reason) in [
            (&["latch.max-waiters"][..], "latch.max-waiters needs a number from 0 to 1000000"),
            (&["latch.max-waiters", "x"], "latch.max-waiters needs a number from 0 to 1000000"),
            (&["latch.max-waiters", "-1"], "latch.max-waiters needs a number from 0 to 1000000"),
            (&["latch.wake-batch", "0"], "latch.wake-batch needs a number from 1 to 1000000"),
            (&["latch.wake-batch", "1000001"], "latch.wake-batch needs a number from 1 to 1000000"),
            (
                &["wake-batch", "1"],
                "there is no setting 'wake-batch', only latch.max-waiters, latch.max-keys, latch.wake-batch",
            ),
        ] {
            assert_eq!(read_arguments(args), Err(reason.into()), "{args:?}");
        }
    }

    #[test]
    fn no_limit_is_one_that_nobody_reaches() {
        assert_eq!(max_waiters(), usize::MAX);
    }
}
