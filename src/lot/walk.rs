//! The walk along settled queues, and what it charges.
//!
//! What a release costs the server comes when the client leaves, and that is O(its queues).
//! So a batch is a budget of work, not of clients; and a queue that has had its share stands
//! behind the others, so that a small one does not wait until a large one is through. Nor
//! does it wait for all queues of a database that was emptied.

use super::list::List;
use super::queue::{Fate, Stage};
use super::slab::{Place, Slab};
use super::{Lot, Name, Queue};

/// What it costs to release a client and to answer it, in steps past a waiter: 3 to 6 us.
const RELEASE: usize = 16;

/// What it costs that a waiter leaves one more queue: up to 1 us, if that goes with it.
const LEAVE: usize = 4;

/// What a queue, or all those that were settled with an era, may take of the walk before it
/// goes on elsewhere.
const SHARE: usize = 64 * RELEASE;

/// What a batch may still do.
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    /// Whether nothing is spent.
    is_whole: bool,
}

impl Budget {
    /// As much as the release of so many clients that wait for one key each.
    pub(crate) fn of_releases(clients: usize) -> Self {
        Self { left: clients.saturating_mul(RELEASE), is_whole: true }
    }

    /// Whether it has as much left; a whole one has, whatever it is.
    fn allows(&self, cost: usize) -> bool {
        self.is_whole || cost <= self.left
    }

    fn spend(&mut self, cost: usize) {
        (self.left, self.is_whole) = (self.left.saturating_sub(cost), false);
    }
}

/// The settled queues that have not been walked to the end.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Those settled by themselves, and those settled with their era.
    lists: [List<Stage>; 2],
    /// In which list the walk is, and how much of the share there is spent.
    at: usize,
    spent: usize,
    /// How many of the places in them are of waiters that stand in other queues, too.
    pub(super) several: usize,
}

impl Settled {
    pub(super) fn is_empty(&self) -> bool {
        self.lists.iter().all(List::is_empty)
    }

    /// Puts a queue last that was settled by itself.
    pub(super) fn push<K>(&mut self, queues: &mut Slab<Queue<K>>, place: Place) {
        self.several += queues[place].several as usize;
        self.lists[0].push(queues, place);
    }

    /// Puts the queues of an era last, in which `several` places are as above.
    pub(super) fn append<K>(
        &mut self,
        queues: &mut Slab<Queue<K>>,
        of_era: List<Stage>,
        several: usize,
    ) {
        self.several += several;
        self.lists[1].append(queues, of_era);
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn places<K>(&self, queues: &Slab<Queue<K>>) -> Vec<Place> {
        let walk = |list: &List<Stage>| {
            std::iter::successors(list.first(), |&at| queues[at].links.next()).collect::<Vec<_>>()
        };
        self.lists.iter().flat_map(walk).collect()
    }

    fn remove<K>(&mut self, queues: &mut Slab<Queue<K>>, place: Place) {
        self.several -= queues[place].several as usize;
        let with_era = matches!(queues[place].fate, Fate::OfItsEra);
        self.lists[usize::from(with_era)].remove(queues, place);
    }

    /// The queue in which the walk goes on.
    fn next(&mut self) -> Option<Place> {
        if self.lists[self.at].is_empty() {
            self.leave_list();
        }
        self.lists[self.at].first()
    }

    /// The walk has done so much in a queue. When the share is spent, that stands last, if it
    /// is still there, and the walk goes on in the other list.
    fn charge<K>(&mut self, queues: &mut Slab<Queue<K>>, place: Place, cost: usize) {
        self.spent += cost;
        if self.spent >= SHARE {
            let list = &mut self.lists[self.at];
            if list.first() == Some(place) {
                list.rotate(queues);
            }
            self.leave_list();
        }
    }

    fn leave_list(&mut self) {
        (self.at, self.spent) = (1 - self.at, 0);
    }
}

impl<H, K: Name> Lot<H, K> {
    /// Walks on along the settled queues, and returns the next handle that is to be released,
    /// if the budget has as much left. Each is returned once; its waiter stays until it
    /// leaves.
    pub(crate) fn next_release(&mut self, budget: &mut Budget) -> Option<H> {
        while let Some(queue) = self.settled.next()
            && let Some((cost, handle)) = self.step(queue, budget)
        {
            budget.spend(cost);
            self.settled.charge(&mut self.queues, queue, cost);
            if handle.is_some() {
                return handle;
            }
        }
        None
    }

    /// Whether somebody may still have to be released.
    pub(crate) fn has_releases(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Goes past the next waiter of a settled queue: what that costs, and its handle, if its
    /// wait is decided now. `None` if the budget has not as much left.
    fn step(&mut self, place: Place, budget: &Budget) -> Option<(usize, Option<H>)> {
        let queue = &mut self.queues[place];
        let stand = &self.stands[queue.unwalked.expect("one who has not been passed")];
        let at = stand.waiter;
        let waiter = &mut self.waiters[at];
        let is_decided = waiter.rule.is_decided_by(queue.has_opened());
        let undecided = if is_decided { 0 } else { waiter.undecided.saturating_sub(1) };
        let is_released = undecided == 0 && waiter.handle.is_some();
        let others = waiter.stands as usize - 1;
        let cost = if is_released { RELEASE + LEAVE * others } else { 1 };
        if !budget.allows(cost) {
            return None;
        }
        waiter.undecided = undecided;
        queue.unwalked = stand.links.next();
        let handle = if is_released { waiter.handle.take() } else { None };
        if queue.unwalked.is_none() {
            self.end_walk(place);
        }
        if is_released {
            let decided_by = if others == 0 { Some(place) } else { self.judge(&self.waiters[at]) };
            self.waiters[at].decided_by = decided_by;
        }
        Some((cost, handle))
    }

    /// Nobody is left to pass in a settled queue: it is not found any more, in no way.
    pub(super) fn end_walk(&mut self, place: Place) {
        self.settled.remove(&mut self.queues, place);
        self.index.remove(&mut self.queues, place);
    }
}
