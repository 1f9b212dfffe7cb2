//! How queues come and go, with the waiters that stand in them.

use super::list::Links;
use super::queue::{Queue, Wanted};
use super::slab::Place;
use super::{Db, Kind, Lot, Name, Stand, Target, Waiter};

impl<H, K: Name> Lot<H, K> {
    /// The waiting queue for this latch; made if need be.
    pub(super) fn queue_for(&mut self, db: Db, target: &Target<'_>, now: i64) -> Place {
        let &Target { key, round, expires } = target;
        let wanted = round.map_or(Wanted::Coming, Wanted::This);
        let hash = self.hash(db, key);
        let place = match self.waiting_at(hash, db, key) {
            Some(place) if self.queues[place].wanted.is(round) => place,
            older => {
                if let Some(older) = older {
                    // The latch was replaced and nothing told us; see `observe`.
                    self.settle_removed(older, now);
                }
                self.make_queue(db, K::from(key), hash, wanted)
            }
        };
        self.want(place, wanted);
        self.expect_expiry(place, expires);
        place
    }

    fn make_queue(&mut self, db: Db, key: K, hash: u32, wanted: Wanted) -> Place {
        let era = self.current_era(db, Kind::of(wanted));
        let place = self.queues.insert(Queue::new(key, hash, era, wanted)).place;
        self.index.insert(&mut self.queues, place);
        self.enter_era(place, era, false);
        self.enter_rota(place);
        place
    }

    /// A waiter takes its place in a queue, if it has none there.
    pub(super) fn stand_in(&mut self, queue: Place, waiter: Place) {
        let Self { waiters, stands, queues, .. } = self;
        let Queue { stands: list, unwalked, .. } = &mut queues[queue];
        // It is the last one to come anywhere.
        if list.last().is_some_and(|last| stands[last].waiter == waiter) {
            return;
        }
        let joining = &mut waiters[waiter];
        let (links, next_of_waiter) = (Links::default(), joining.stand);
        let place = stands.insert(Stand { waiter, queue, links, next_of_waiter }).place;
        joining.stand = Some(place);
        joining.stands += 1;
        list.push(stands, place);
        unwalked.get_or_insert(place);
    }

    /// Tells the queues of a waiter if there are several.
    pub(super) fn count_those_in_several(&mut self, waiter: Place) {
        let Waiter { stand, stands, .. } = self.waiters[waiter];
        let mut at = stand.filter(|_| stands > 1);
        while let Some(Stand { queue, next_of_waiter, .. }) = at.map(|at| &self.stands[at]) {
            let (queue, next) = (*queue, *next_of_waiter);
            self.queues[queue].several += 1;
            self.sum_of_several(queue).into_iter().for_each(|sum| *sum += 1);
            at = next;
        }
    }

    /// A waiter leaves a queue, and if it was the last, the queue goes.
    pub(super) fn step_out(&mut self, place: Place, stands_in_several: bool) {
        let Stand { queue: at, links, .. } = self.stands[place];
        if self.queues[at].unwalked == Some(place) {
            self.queues[at].unwalked = links.next();
            if links.next().is_none() && self.settlement(&self.queues[at]).is_some() {
                self.end_walk(at);
            }
        }
        if stands_in_several {
            self.queues[at].several -= 1;
            self.sum_of_several(at).into_iter().for_each(|sum| *sum -= 1);
        }
        let Self { stands, queues, .. } = self;
        queues[at].stands.remove(stands, place);
        stands.remove(place);
        if queues[at].stands.is_empty() {
            self.drop_queue(at);
        }
    }

    /// The sum that counts those who stand in this queue and in others, too, if one does.
    fn sum_of_several(&mut self, place: Place) -> Option<&mut usize> {
        let queue = &self.queues[place];
        if self.is_in_list_of_era(queue) {
            Some(&mut self.eras[queue.era].several)
        } else if self.settlement(queue).is_some() && queue.unwalked.is_some() {
            Some(&mut self.settled.several)
        } else {
            None
        }
    }

    /// Drops a queue in which nobody stands.
    fn drop_queue(&mut self, place: Place) {
        self.leave_list_of_era(place);
        self.look_no_more(place);
        if self.settlement(&self.queues[place]).is_none() {
            self.index.remove(&mut self.queues, place); // else it was walked to the end
        }
        let queue = self.queues.remove(place);
        self.leave_era(queue.era);
    }
}
