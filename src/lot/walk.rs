//! The walk along settled queues, and what it charges.
//!
//! What a release costs the server comes when the client leaves, and that is O(its queues).
//! So a batch is a budget of work, not of clients; and a queue that has had its turn stands
//! behind the others, so that a small one does not wait until a large one is through.

use super::slab::Place;
use super::{Lot, Name};

/// What it costs to release a client and to answer it, in steps past a waiter: 3 to 6 us.
const RELEASE: usize = 16;

/// What it costs that a waiter leaves one more queue: up to 1 us, if that goes with it.
const LEAVE: usize = 4;

/// What a queue may take of the walk before it is the turn of the next one.
const TURN: usize = 64 * RELEASE;

/// What a batch may still do.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// As much as the release of so many clients that wait for one key each.
    pub(crate) fn of_releases(clients: usize) -> Self {
        Self(clients.saturating_mul(RELEASE))
    }
}

impl<H, K: Name> Lot<H, K> {
    /// Walks on along the settled queues, and returns the next handle that is to be released,
    /// if the budget has as much left. Each is returned once; its waiter stays until it
    /// leaves.
    pub(crate) fn next_release(&mut self, budget: &mut Budget) -> Option<H> {
        while budget.0 > 0
            && let Some(queue) = self.settled.first()
        {
            let (cost, handle) = self.step(queue);
            budget.0 = budget.0.saturating_sub(cost);
            self.charge(queue, cost);
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
    /// wait is decided now.
    fn step(&mut self, place: Place) -> (usize, Option<H>) {
        let queue = &mut self.queues[place];
        let Some(at) = queue.unwalked else {
            return (0, None); // such a queue is not in the list
        };
        let stand = &self.stands[at];
        queue.unwalked = stand.links.next();
        let waiter = stand.waiter;
        let passed = &mut self.waiters[waiter];
        let is_decided = passed.rule.is_decided_by(queue.has_opened());
        passed.undecided = if is_decided { 0 } else { passed.undecided.saturating_sub(1) };
        if passed.undecided > 0 || passed.handle.is_none() {
            return (1, None);
        }
        let (handle, stands) = (passed.handle.take(), passed.stands);
        let decided_by = if stands == 1 { Some(place) } else { self.judge(&self.waiters[waiter]) };
        self.waiters[waiter].decided_by = decided_by;
        (RELEASE + LEAVE * (stands as usize - 1), handle)
    }

    /// A queue has had so much of its turn.
    fn charge(&mut self, place: Place, cost: usize) {
        if self.queues[place].unwalked.is_none() {
            self.end_walk(place);
        } else {
            self.turn += cost;
            if self.turn >= TURN {
                self.turn = 0;
                self.settled.rotate(&mut self.queues);
            }
        }
    }

    /// Nobody is left to pass in a queue. If it is settled, its turns are over.
    pub(super) fn end_walk(&mut self, place: Place) {
        if self.settled_as(&self.queues[place]).is_some() {
            if self.settled.first() == Some(place) {
                self.turn = 0;
            }
            self.settled.remove(&mut self.queues, place);
        }
    }
}
