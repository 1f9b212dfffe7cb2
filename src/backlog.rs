//! Memory that was given up, and is given back in steps.

use std::time::{Duration, Instant};
use std::{hint, mem, vec};

use crate::ids::{Ids, Segment};

/// How long a step takes.
const STEP: Duration = Duration::from_micros(500);

/// The part of all time that steps may take, if that is more: one in so many. Whoever
/// makes ids takes longer than it takes to free as many, so that a backlog does not grow
/// for ever.
const SHARE: u32 = 4;

/// How long a step takes at most, also after a command that took very long.
const LONGEST: Duration = Duration::from_millis(2);

/// The sets of ids that nobody has any more.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// What is left of each: the last is given back first.
    sets: Vec<vec::IntoIter<Segment>>,
    /// When the last step ended, or the first of the sets came.
    since: Option<Instant>,
}

impl Backlog {
    /// Whether all is given back.
    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// Keeps what was given up `now`.
    pub(crate) fn add(&mut self, ids: Ids, now: Instant) {
        self.since.get_or_insert(now);
        self.sets.push(ids.into_segments());
    }

    /// Gives back some of it, a segment at least, and looks at the clock after each.
    pub(crate) fn step(&mut self, mut clock: impl FnMut() -> Instant) {
        let begin = clock();
        let share = self.since.map(|since| (begin - since) / SHARE).unwrap_or_default();
        let end = begin + share.clamp(STEP, LONGEST);
        while self.give_back_one() {
            let now = clock();
            if now >= end {
                self.since = Some(now);
                break;
            }
        }
        if self.is_empty() {
            drop(self.take()); // the room for it
        }
    }

    /// All of it, to be dropped.
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Gives back a segment, and with the last of a set its directory. False if there is
    /// nothing.
    fn give_back_one(&mut self) -> bool {
        let Some(set) = self.sets.last_mut() else {
            return false;
        };
        drop(set.rfind(|segment| segment.len() > 0));
        tidy_up();
        if set.len() == 0 {
            self.sets.pop();
        }
        true
    }
}

/// Has the allocator do now what it puts off. That of glibc merges small pieces that were
/// freed when it is asked for a large one, all of them in one go: 50 ms for 1,000,000 ids.
fn tidy_up() {
    const LARGE: usize = 4096;
    drop(hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_micros(100);

    /// A set of so many segments at least, and the number of its ids.
    fn large(segments: usize) -> (Ids, usize) {
        let mut ids = Ids::default();
        let len = 512 * segments;
        for id in 0..len {
            ids.record(id.to_string().as_bytes());
        }
        (ids, len)
    }

    impl Backlog {
        /// Those with ids in them.
        fn segments(&self) -> impl Iterator<Item = &Segment> {
            let all = self.sets.iter().flat_map(|set| set.as_slice());
            all.filter(|segment| segment.len() > 0)
        }

        fn ids(&self) -> usize {
            self.segments().map(Segment::len).sum()
        }
    }

    /// A clock that goes on by a tick whenever somebody looks at it.
    fn ticking(mut now: Instant) -> impl FnMut() -> Instant {
        move || {
            now += TICK;
            now
        }
    }

    #[test]
    fn all_that_came_is_given_back_in_steps_of_some_segments_each() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        let (one, len) = large(20);
        let (other, more) = large(10);
        backlog.add(one, now);
        backlog.add(other, now);
        assert_eq!(backlog.ids(), len + more);
        let segments = backlog.segments().count();
        let mut steps = 0;
        while !backlog.is_empty() {
            let before = backlog.ids();
            backlog.step(ticking(now));
            assert!(before - backlog.ids() <= 5 * 512, "five ticks to a step");
            steps += 1;
        }
        assert_eq!(steps, segments.div_ceil(5));
        assert_eq!(backlog.ids(), 0);
        assert_eq!(backlog.sets.capacity(), 0, "keeps nothing");
    }

    #[test]
    fn a_step_takes_a_share_of_the_time_since_the_last() {
        let given_back_after = |wait: Duration| {
            let (mut backlog, now) = (Backlog::default(), Instant::now());
            backlog.add(large(100).0, now);
            let before = backlog.ids();
            backlog.step(ticking(now));
            let first = before - backlog.ids();
            let before = backlog.ids();
            backlog.step(ticking(now + 6 * TICK + wait));
            (first, before - backlog.ids())
        };
        let (first, second) = given_back_after(Duration::ZERO);
        assert!(first <= 5 * 512 && second <= 5 * 512, "{first} {second}");
        let (first, second) = given_back_after(50 * TICK);
        assert!(first <= 5 * 512 && second > 10 * 224, "{first} {second}");
        let (_, second) = given_back_after(10_000 * TICK);
        assert!(second <= 20 * 512, "2 ms are twenty ticks: {second}");
    }

    #[test]
    fn a_clock_that_stands_still_is_no_reason_to_give_back_nothing() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        let (ids, _) = large(3);
        backlog.add(ids, now);
        backlog.step(|| now);
        assert!(backlog.is_empty(), "no time has passed");
    }

    #[test]
    fn an_empty_backlog_takes_no_steps() {
        let mut backlog = Backlog::default();
        assert!(backlog.is_empty());
        backlog.step(Instant::now);
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_step_gives_something_back_whatever_the_clock_says() {
        let (mut backlog, mut now) = (Backlog::default(), Instant::now());
        let (ids, len) = large(2);
        backlog.add(ids, now);
        let mut steps = 0;
        while !backlog.is_empty() {
            backlog.step(|| {
                now += Duration::from_secs(1);
                now
            });
            steps += 1;
            assert!(steps < len, "gets on");
        }
    }
}
