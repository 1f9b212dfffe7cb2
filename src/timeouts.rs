//! When parked clients time out, and how the server is awake then.
//!
//! A server that has nothing to do looks at the timeouts of blocked clients
//! once in `1000 / hz` ms only: a wait of 1 ms ends up to 100 ms late. A timer
//! at the nearest deadline makes it look in time.

use std::collections::BTreeMap;

use border::context::{Context, now};
use border::lock::{Locked, Shared};
use border::timer::{Alarm, Timer};

static TIMEOUTS: Shared<Timeouts> = Shared::new();

#[derive(Debug, Default)]
struct Timeouts {
    deadlines: Deadlines,
    /// The timer for the nearest deadline, and when that is.
    timer: Option<(i64, Timer<Nearest>)>,
}

/// A client times out at this time, in Unix ms.
pub(crate) fn add(ctx: Context<'_>, at: i64) {
    TIMEOUTS.with(ctx.lock(), |timeouts| {
        timeouts.deadlines.add(at);
        if timeouts.timer.as_ref().is_none_or(|&(nearest, _)| at < nearest) {
            if let Some((_, later)) = timeouts.timer.take() {
                later.stop(ctx);
            }
            timeouts.start_timer(ctx);
        }
    });
}

/// The wait of a client that was to time out at this time is over.
pub(crate) fn remove(lock: Locked<'_>, at: i64) {
    TIMEOUTS.with(lock, |timeouts| timeouts.deadlines.remove(at));
}

impl Timeouts {
    /// Starts a timer for the nearest deadline.
    fn start_timer(&mut self, ctx: Context<'_>) {
        /// A timer for later is started when that is near. Servers reckon in
        /// us, Redis 7.0 with 32 bits: one that is more than 35 minutes away
        /// would fire at once, again and again.
        const FARTHEST_MILLIS: i64 = 60 * 1000;

        let now = now();
        if let Some(at) = self.deadlines.next(now) {
            // The server ends a wait when the deadline is past, not reached.
            let millis = (at - now).min(FARTHEST_MILLIS) + 1;
            self.timer = Some((at, Timer::start(ctx, millis)));
        }
    }
}

/// The nearest deadline has passed. Being awake is all that is needed: the
/// server looks at the timeouts of its clients before it sleeps again.
#[derive(Debug)]
struct Nearest;

impl Alarm for Nearest {
    fn ring(ctx: Context<'_>) {
        TIMEOUTS.with(ctx.lock(), |timeouts| {
            timeouts.timer = None;
            timeouts.start_timer(ctx);
        });
    }
}

/// A multiset of points in time, in ms.
#[derive(Debug, Default)]
struct Deadlines(BTreeMap<i64, usize>);

impl Deadlines {
    /// Adds one deadline.
    fn add(&mut self, at: i64) {
        *self.0.entry(at).or_default() += 1;
    }

    /// Takes back one deadline that was added.
    fn remove(&mut self, at: i64) {
        if let Some(times) = self.0.get_mut(&at) {
            *times -= 1;
            if *times == 0 {
                self.0.remove(&at);
            }
        }
    }

    /// The nearest deadline that is not before `now`.
    fn next(&self, now: i64) -> Option<i64> {
        self.0.range(now..).next().map(|(&at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_is_the_earliest_that_was_not_removed_and_has_not_passed() {
        let mut deadlines = Deadlines::default();
        assert_eq!(deadlines.next(0), None);
        for at in [30, 10, 20, 10] {
            deadlines.add(at);
        }
        assert_eq!(deadlines.next(0), Some(10));
        assert_eq!(deadlines.next(10), Some(10));
        assert_eq!(deadlines.next(11), Some(20));
        deadlines.remove(10);
        assert_eq!(deadlines.next(0), Some(10));
        deadlines.remove(10);
        assert_eq!(deadlines.next(0), Some(20));
        assert_eq!(deadlines.next(31), None);
    }

    #[test]
    fn removing_what_was_never_added_does_nothing() {
        let mut deadlines = Deadlines::default();
        deadlines.add(10);
        deadlines.remove(20);
        assert_eq!(deadlines.next(0), Some(10));
    }
}
