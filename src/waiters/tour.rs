//! Tours of the queues that wait, to look at their keys one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

use super::Watched;
use super::queue::{Queue, QueueId, State, Wanted};

/// How far a tour of the queues has come.
///
/// First those are visited whose latch is still to come, since nothing but a look
/// may tell of it, then the others, oldest first. It ends at the queue that was the
/// last when it began: those that have come since were looked at as they came. So
/// it ends, whatever comes.
#[derive(Debug, Default)]
pub(crate) struct Tour {
    stage: Stage,
    /// The last queue that was visited in this stage.
    last: Option<QueueId>,
    /// The last queue there was when the tour began.
    end: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Over,
    Coming,
    Present,
}

/// One step of a tour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step<K> {
    /// To a queue that is to be looked at.
    Look(Watched<K>),
    /// Past one that is not.
    Past,
    /// To the end. The next one is the first of a new tour.
    End,
}

impl Tour {
    /// Whether the next step is the first of a tour.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// See [`Lot::step_on`](super::Lot::step_on); `newest` is the last number that
    /// was given out.
    pub(super) fn step<K: Clone>(
        &mut self,
        newest: u64,
        coming: &BTreeSet<QueueId>,
        queues: &BTreeMap<QueueId, Queue<K>>,
    ) -> Step<K> {
        if self.stage == Stage::Over {
            *self = Self { stage: Stage::Coming, last: None, end: newest };
        }
        let ahead = (self.last.map_or(Unbounded, Excluded), Included(QueueId(self.end)));
        self.last = match self.stage {
            Stage::Coming => coming.range(ahead).next().copied(),
            Stage::Present | Stage::Over => queues.range(ahead).next().map(|(&id, _)| id),
        };
        match (self.last, self.stage) {
            (Some(id), stage) => match queues.get(&id) {
                Some(queue) if stage.is_for(queue) => Step::Look(queue.watched(id)),
                _ => Step::Past,
            },
            (None, Stage::Coming) => {
                self.stage = Stage::Present;
                Step::Past
            }
            (None, _) => {
                self.stage = Stage::Over;
                Step::End
            }
        }
    }
}

impl Stage {
    fn is_for<K>(self, queue: &Queue<K>) -> bool {
        queue.state == State::Waiting && (queue.wanted == Wanted::Coming) == (self == Self::Coming)
    }
}
