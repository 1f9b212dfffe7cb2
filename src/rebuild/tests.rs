//! By example, and from any latch and back.

use std::collections::BTreeMap;

use super::*;
use crate::ids::Ids;
use crate::latch::{Addition, Countdown, Saved};
use proptest::prelude::*;

/// All that makes two latches equal.
fn content(latch: &Latch) -> impl PartialEq + std::fmt::Debug + use<> {
    let text = |text: Option<&[u8]>| text.map(<[u8]>::to_vec);
    let ids = latch.ids().into_iter().flat_map(Ids::iter).map(|(id, mark)| (id.to_vec(), mark));
    let numbers = (latch.count(), latch.total(), latch.linger());
    let texts = [latch.set_by(), latch.reason(), latch.opened_by()].map(text);
    (numbers, texts, ids.collect::<BTreeMap<_, _>>())
}

/// Does what the commands say. Each of them changes the latch, and only the last may open it.
fn rebuilt<'a>(steps: impl IntoIterator<Item = Step<'a>>) -> Latch {
    let mut steps = steps.into_iter();
    let Some(Step::Set { count, linger, set_by }) = steps.next() else {
        panic!("it is set first");
    };
    let mut latch = Latch::new(count, linger, set_by);
    for step in steps {
        assert_eq!(latch.state(), State::Closed, "{step:?} comes too late");
        match step {
            Step::Set { .. } => panic!("it is set once"),
            Step::Add(id) => assert!(matches!(latch.add(1, Some(id)), Ok(Addition::Raised(_)))),
            Step::CountDown { by, id } => assert!(matches!(
                latch.count_down(by, id),
                Ok(Countdown::Remaining(_) | Countdown::Opened)
            )),
            Step::Abort(reason) => assert_eq!(latch.abort(reason), Ok(true)),
        }
    }
    latch
}

/// The commands in words, those for ids in their order.
fn words(latch: &Latch) -> Vec<String> {
    let word = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
    let words = steps(latch).map(|step| match step {
        Step::Set { count, set_by, .. } => format!("set {count} {:?}", set_by.map(word)),
        Step::Add(id) => format!("add {}", word(id)),
        Step::CountDown { by, id: None } => format!("count {by}"),
        Step::CountDown { by, id: Some(id) } => format!("count {by} {}", word(id)),
        Step::Abort(reason) => format!("abort {}", word(reason)),
    });
    words.collect()
}

/// A latch of 3 set by `p`, with `a` added and counted by 2 and `b` added by 5.
fn example() -> Latch {
    let mut latch = Latch::new(3, 500, Some(b"p"));
    latch.add(1, Some(b"a")).unwrap();
    latch.add(5, Some(b"b")).unwrap();
    latch.count_down(2, Some(b"a")).unwrap();
    latch
}

#[test]
fn a_latch_as_it_was_made_is_set_and_that_is_all() {
    assert_eq!(words(&Latch::new(3, 0, None)), ["set 3 None"]);
    assert_eq!(words(&Latch::new(0, 500, Some(b"p"))), [r#"set 0 Some("p")"#]);
}

#[test]
fn what_ids_do_not_account_for_is_set_or_counted_without_one() {
    let words = words(&example());
    assert_eq!(words[0], r#"set 7 Some("p")"#, "b has brought 4 more than it stands for");
    assert!(words[1..3] == ["add a", "add b"] || words[1..3] == ["add b", "add a"]);
    assert_eq!(words[3..], ["count 1", "count 1 a"]);
}

#[test]
fn the_countdown_that_opened_it_comes_last() {
    let mut by_an_id = example();
    by_an_id.count_down(99, Some(b"z")).unwrap();
    assert_eq!(words(&by_an_id).last().unwrap(), "count 1 z");
    let mut by_nobody = example();
    by_nobody.count_down(99, None).unwrap();
    assert_eq!(words(&by_nobody)[3..], ["count 1 a", "count 8"]);
    let mut by_an_id_that_was_added = example();
    by_an_id_that_was_added.count_down(99, Some(b"b")).unwrap();
    assert_eq!(words(&by_an_id_that_was_added)[3..], ["count 7", "count 1 a", "count 1 b"]);
}

#[test]
fn an_abort_comes_last() {
    let mut latch = example();
    latch.abort(b"why").unwrap();
    assert_eq!(words(&latch)[3..], ["count 1", "count 1 a", "abort why"]);
}

/// A command.
#[derive(Clone, Debug)]
enum Deed {
    CountDown(i64, Option<u8>),
    Add(i64, Option<u8>),
    Abort,
    Reset(i64, Option<u8>),
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = || prop::option::of(0..12_u8);
    let by = || prop_oneof![3 => Just(1), 1 => 2..4_i64, 1 => Just(i64::MAX / 3)];
    prop_oneof![
        12 => (by(), id()).prop_map(|(by, id)| Deed::CountDown(by, id)),
        12 => (by(), id()).prop_map(|(by, id)| Deed::Add(by, id)),
        1 => Just(Deed::Abort),
        1 => (0..6_i64, id()).prop_map(|(count, id)| Deed::Reset(count, id)),
    ]
}

/// A latch that lingers, after these commands.
fn after(count: i64, deeds: &[Deed]) -> Latch {
    let as_id = |id: &Option<u8>| id.map(|id| [id]);
    let mut latch = Latch::new(count, 1, None);
    for deed in deeds {
        // Those that are refused change nothing.
        match deed {
            Deed::CountDown(by, id) => {
                drop(latch.count_down(*by, as_id(id).as_ref().map(|id| &id[..])))
            }
            Deed::Add(by, id) => drop(latch.add(*by, as_id(id).as_ref().map(|id| &id[..]))),
            Deed::Abort => drop(latch.abort(b"why")),
            Deed::Reset(count, id) => {
                latch.reset(*count, 1, as_id(id).as_ref().map(|id| &id[..]));
            }
        }
    }
    latch
}

/// Any that is restored, whether commands have led to it or not.
fn saved() -> impl Strategy<Value = Saved> {
    let id = || prop::option::of(0..4_u8);
    let mark = prop_oneof![Just(Mark::Recorded), Just(Mark::Announced), Just(Mark::Both)];
    let ids = prop::collection::btree_map(0..4_u8, mark, 0..4);
    let reason = prop_oneof![3 => Just(None), 1 => Just(Some(b"why"[..].into()))];
    let numbers = (prop_oneof![Just(0), 0..5_i64], 0..7_i64, 0..2_i64);
    (numbers, id(), id(), reason, ids).prop_map(|(numbers, set_by, opened_by, reason, given)| {
        let text = |id: Option<u8>| id.map(|id| [id].into());
        let mut ids = Ids::default();
        for (id, mark) in given {
            ids.mark([id], mark);
        }
        let (count, total, linger) = numbers;
        Saved {
            count,
            total,
            linger,
            set_by: text(set_by),
            reason,
            opened_by: text(opened_by),
            ids,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_latch_that_commands_lead_to_is_rebuilt(
        count in 1..20_i64,
        deeds in prop::collection::vec(deed(), 0..60),
    ) {
        let latch = after(count, &deeds);
        prop_assert_eq!(content(&rebuilt(steps(&latch))), content(&latch));
    }

    #[test]
    fn any_latch_that_is_restored_is_rebuilt(saved in saved()) {
        if let Some(latch) = Latch::restore(saved) {
            prop_assert_eq!(content(&rebuilt(steps(&latch))), content(&latch));
        }
    }
}
