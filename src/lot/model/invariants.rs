//! The invariants that `lot.rs` states, one by one.

use super::super::era::State;
use super::super::queue::Fate;
use super::*;

type Queue = super::super::Queue<Rc<[u8]>>;

pub(super) fn check(lot: &Lot<usize>) -> Checked {
    let mut keys = BTreeSet::new();
    for place in lot.queues.places() {
        let queue = &lot.queues[place];
        check_queue(lot, place, queue)?;
        if lot.phase(queue) == Phase::Waiting {
            prop_assert!(keys.insert((lot.eras[queue.era].db, Rc::clone(&queue.key))), "twice");
        }
    }
    check_eras(lot)?;
    for &(at, id) in &lot.due {
        let queue = &lot.queues[lot.queues.find(id.0).expect("a queue that is there")];
        prop_assert_eq!(queue.expires.get(), Some(at));
        prop_assert!(matches!(queue.fate, Fate::OfItsEra), "due, though settled or displaced");
    }
    lot.waiters.places().into_iter().try_for_each(|place| check_waiter(lot, place))
}

fn check_queue(lot: &Lot<usize>, place: Place, queue: &Queue) -> Checked {
    let stands: Vec<_> = from(queue.stands.first(), |at| lot.stands[at].links.next());
    prop_assert!(!stands.is_empty());
    prop_assert_eq!(stands.len(), queue.stands.len());
    prop_assert_eq!(several(lot, &stands), queue.several as usize);

    let chain = from(lot.index.first(queue.hash), |at| lot.queues[at].chain);
    let is_walked = lot.settlement(queue).is_some() && queue.unwalked.is_none();
    prop_assert_eq!(chain.contains(&place), !is_walked);

    let is_in_era = listed(lot, &lot.eras[queue.era].queues).contains(&place);
    let is_to_be_walked = lot.settled.places(&lot.queues).contains(&place);
    match lot.phase(queue) {
        Phase::Waiting => {
            prop_assert!(is_in_era && !is_to_be_walked && queue.is_in_rota);
            prop_assert_eq!(queue.unwalked, queue.stands.first());
            let Era { db, state, .. } = lot.eras[queue.era];
            prop_assert_eq!(state, State::Current);
            prop_assert_eq!(lot.current[queue.kind() as usize].get(&db), Some(&queue.era));
        }
        Phase::Suspended(_) => {
            prop_assert!(!is_to_be_walked && queue.is_in_rota);
            prop_assert_eq!(is_in_era, matches!(queue.fate, Fate::OfItsEra));
        }
        Phase::Settled(_) => {
            prop_assert!(!is_in_era);
            prop_assert_eq!(is_to_be_walked, queue.unwalked.is_some());
            prop_assert!(matches!(queue.fate, Fate::OfItsEra) || !queue.is_in_rota);
        }
    }
    Ok(())
}

fn check_eras(lot: &Lot<usize>) -> Checked {
    for place in lot.eras.places() {
        let era = &lot.eras[place];
        let members = lot.queues.places().into_iter().filter(|&at| lot.queues[at].era == place);
        prop_assert_eq!(members.count(), era.members as usize);
        prop_assert!(era.members > 0 || era.state == State::Current, "an era is left");
        prop_assert_eq!(sum_of_several(lot, &listed(lot, &era.queues)), era.several);
    }
    let settled = lot.settled.places(&lot.queues);
    prop_assert_eq!(sum_of_several(lot, &settled), lot.settled.several);
    Ok(())
}

fn check_waiter(lot: &Lot<usize>, place: Place) -> Checked {
    let waiter = &lot.waiters[place];
    let stands = from(waiter.stand, |at| lot.stands[at].next_of_waiter);
    prop_assert_eq!(stands.len(), waiter.stands as usize);
    let is_ahead = |at: &&Place| {
        let queue = &lot.queues[lot.stands[**at].queue];
        from(queue.unwalked, |at| lot.stands[at].links.next()).contains(*at)
    };
    if waiter.undecided > 0 {
        prop_assert_eq!(stands.iter().filter(is_ahead).count(), waiter.undecided as usize);
        prop_assert!(waiter.handle.is_some() && waiter.decided_by.is_none());
    } else {
        prop_assert!(waiter.handle.is_none());
        prop_assert_eq!(waiter.decided_by, lot.judge(waiter));
        prop_assert!(waiter.decided_by.is_some());
    }
    Ok(())
}

/// A place, and all that follow it.
fn from(first: Option<Place>, next: impl Fn(Place) -> Option<Place>) -> Vec<Place> {
    iter::successors(first, |&at| next(at)).collect()
}

fn listed(lot: &Lot<usize>, list: &List<Stage>) -> Vec<Place> {
    let listed: Vec<_> = lot.queues_in(list).collect();
    assert_eq!(listed.len(), list.len());
    listed
}

/// How many of these places are of waiters that have others.
fn several(lot: &Lot<usize>, stands: &[Place]) -> usize {
    stands.iter().filter(|&&at| lot.waiters[lot.stands[at].waiter].stands > 1).count()
}

fn sum_of_several(lot: &Lot<usize>, queues: &[Place]) -> usize {
    queues.iter().map(|&at| lot.queues[at].several as usize).sum()
}
