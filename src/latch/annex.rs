//! Every state of a latch, and what becomes of it by commands with ids, each known or not.

use super::*;

/// A latch that `planner` has set to 4, and that lingers: `old` was announced and has
/// counted down, `counted` has only counted down, `added` was only announced.
fn closed() -> Latch {
    let mut latch = Latch::new(4, 500, Some(b"planner"));
    for id in [&b"old"[..], b"added"] {
        latch.add(1, Some(id)).unwrap();
    }
    for id in [&b"old"[..], b"counted"] {
        latch.count_down(1, Some(id)).unwrap();
    }
    assert_eq!((latch.count(), latch.total()), (4, 6));
    latch
}

/// The same, after `last` has opened it.
fn open() -> Latch {
    let mut latch = closed();
    assert_eq!(latch.count_down(9, Some(b"last")), Ok(Countdown::Opened));
    latch
}

/// The same, aborted.
fn aborted() -> Latch {
    let mut latch = closed();
    latch.abort(b"why").unwrap();
    latch
}

fn why<T>() -> Result<T, Error> {
    Err(Error::Aborted(b"why"[..].into()))
}

/// All there is to a latch.
fn all(latch: &Latch) -> impl PartialEq + std::fmt::Debug + use<> {
    let text = |text: Option<&[u8]>| text.map(<[u8]>::to_vec);
    let mut ids: Vec<_> =
        latch.ids().into_iter().flat_map(Ids::iter).map(|(id, mark)| (id.to_vec(), mark)).collect();
    ids.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let numbers = (latch.count(), latch.total(), latch.linger(), latch.round());
    (numbers, [latch.set_by(), latch.reason(), latch.opened_by()].map(text), ids)
}

const NO_ID: Option<&[u8]> = None;
const NEW: Option<&[u8]> = Some(b"new");
const COUNTED: Option<&[u8]> = Some(b"counted");
const OLD: Option<&[u8]> = Some(b"old");
const ADDED: Option<&[u8]> = Some(b"added");

#[test]
fn a_countdown_by_state_and_id() {
    use Countdown::{Duplicate, Opened, Remaining, WasOpen};
    // A state, what a countdown says in it, and whether anything changes.
    type Row = (fn() -> Latch, Option<&'static [u8]>, Result<Countdown, Error>, bool);
    let rows: [Row; 15] = [
        (closed, NO_ID, Ok(Remaining(2)), true),
        (closed, NEW, Ok(Remaining(2)), true),
        (closed, COUNTED, Ok(Duplicate(4)), false),
        (closed, OLD, Ok(Duplicate(4)), false),
        (closed, ADDED, Ok(Remaining(2)), true),
        (open, NO_ID, Ok(WasOpen), false),
        (open, NEW, Ok(WasOpen), false),
        (open, COUNTED, Ok(Duplicate(0)), false),
        (open, OLD, Ok(Duplicate(0)), false),
        (open, ADDED, Ok(WasOpen), false),
        (aborted, NO_ID, why(), false),
        (aborted, NEW, why(), false),
        (aborted, COUNTED, why(), false),
        (aborted, OLD, why(), false),
        (aborted, ADDED, why(), false),
    ];
    for (make, id, said, changes) in rows {
        let mut latch = make();
        let before = all(&latch);
        let had_arrived = id.is_some_and(|id| latch.has_arrived(id));
        assert_eq!(latch.count_down(2, id), said, "{id:?}: {latch:?}");
        assert_eq!(all(&latch) != before, changes, "{id:?}: {latch:?}");
        if let Some(id) = id {
            let arrives = matches!(said, Ok(Remaining(_)));
            assert_eq!(latch.has_arrived(id), had_arrived || arrives, "{latch:?}");
        }
        assert_eq!(latch.pending(), usize::from(id != ADDED || !changes), "leaves PENDING");
    }
    for id in [NO_ID, NEW, ADDED] {
        let mut latch = closed();
        assert_eq!(latch.count_down(4, id), Ok(Opened));
        assert_eq!((latch.state(), latch.opened_by()), (State::Open, id));
    }
}

#[test]
fn an_addition_by_state_and_id() {
    use Addition::{Duplicate, Raised};
    // As above, and then how many ids are pending.
    type Row = (fn() -> Latch, Option<&'static [u8]>, Result<Addition, Error>, usize);
    let rows: [Row; 15] = [
        (closed, NO_ID, Ok(Raised(6)), 1),
        (closed, NEW, Ok(Raised(6)), 2),
        (closed, COUNTED, Ok(Raised(6)), 1),
        (closed, OLD, Ok(Duplicate(4)), 1),
        (closed, ADDED, Ok(Duplicate(4)), 1),
        (open, NO_ID, Err(Error::Open), 1),
        (open, NEW, Err(Error::Open), 1),
        (open, COUNTED, Err(Error::Open), 1),
        (open, OLD, Ok(Duplicate(0)), 1),
        (open, ADDED, Ok(Duplicate(0)), 1),
        (aborted, NO_ID, why(), 1),
        (aborted, NEW, why(), 1),
        (aborted, COUNTED, why(), 1),
        (aborted, OLD, why(), 1),
        (aborted, ADDED, why(), 1),
    ];
    for (make, id, said, pending) in rows {
        let mut latch = make();
        let before = all(&latch);
        assert_eq!(latch.add(2, id), said, "{id:?}: {latch:?}");
        assert_eq!(latch.pending(), pending, "{id:?}: {latch:?}");
        if let Ok(Raised(_)) = said {
            assert_eq!((latch.count(), latch.total()), (6, 8));
            assert!(id.is_none_or(|id| latch.mark(id).is_some_and(Mark::is_announced)));
        } else {
            assert_eq!(all(&latch), before, "{id:?}");
        }
    }
}

#[test]
fn an_addition_that_overflows_announces_nothing_unless_it_is_one_again() {
    let mut latch = closed();
    let before = all(&latch);
    for id in [NO_ID, NEW, COUNTED] {
        assert_eq!(latch.add(MAX_COUNT, id), Err(Error::Overflow), "{id:?}");
    }
    for id in [OLD, ADDED] {
        assert_eq!(latch.add(MAX_COUNT, id), Ok(Addition::Duplicate(4)), "{id:?}");
    }
    assert_eq!(all(&latch), before);
}

#[test]
fn a_latch_is_known_by_who_has_set_it_whatever_has_become_of_it() {
    for make in [closed, open, aborted] {
        let latch = make();
        assert_eq!(latch.set_by(), Some(&b"planner"[..]));
        assert!(latch.was_set_by(Some(b"planner")), "it is left as it is");
        assert!(!latch.was_set_by(Some(b"other")) && !latch.was_set_by(None), "it is reset");
    }
    let by_nobody = Latch::new(3, 0, None);
    assert!(!by_nobody.was_set_by(Some(b"planner")) && !by_nobody.was_set_by(None));
}

#[test]
fn a_reset_forgets_all_ids_and_keeps_the_round_of_a_closed_latch() {
    for (make, stay) in [(closed as fn() -> Latch, true), (open, false), (aborted, false)] {
        for (count, set_by) in [(7, None), (7, Some(&b"other"[..])), (0, None), (0, Some(b"other"))]
        {
            let mut latch = make();
            let (round, old) = (latch.round(), all(&latch));
            assert_eq!(all(&latch.reset(count, 100, set_by)), old, "what is to be given back");
            assert_eq!((latch.count(), latch.total()), (count, count));
            assert_eq!(latch.set_by(), set_by);
            assert_eq!((latch.opened_by(), latch.reason()), (None, None));
            assert_eq!((latch.arrived(), latch.pending()), (0, 0));
            assert_eq!(latch.round() == round, stay, "who waits goes on waiting");
        }
    }
}

#[test]
fn what_shows_the_ids_stays_as_it_was_when_a_latch_opens_or_is_aborted() {
    let seen = |latch: &Latch| {
        let ids = latch.ids().unwrap();
        let ids = [ids.sorted_recorded(), ids.first_pending(100)];
        (ids.map(|ids| ids.join(&b' ')), latch.arrived(), latch.pending())
    };
    assert_eq!(seen(&closed()), ([b"counted old".to_vec(), b"added".to_vec()], 2, 1));
    assert_eq!(seen(&aborted()), seen(&closed()));
    assert_eq!(seen(&open()), ([b"counted last old".to_vec(), b"added".to_vec()], 3, 1));
}

#[test]
fn who_has_opened_it_is_asked_again_and_again() {
    let mut latch = open();
    for _ in 0..2 {
        assert_eq!(latch.count_down(1, Some(b"last")), Ok(Countdown::Duplicate(0)));
        assert_eq!(latch.count_down(1, NEW), Ok(Countdown::WasOpen));
        assert_eq!(latch.opened_by(), Some(&b"last"[..]));
    }
    assert_eq!(latch.copy().opened_by(), Some(&b"last"[..]));
    assert_eq!(Latch::new(0, 500, Some(b"planner")).opened_by(), None);
    assert_eq!(closed().opened_by(), None);
}
