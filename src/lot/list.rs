//! Lists that are linked through the values of a slab: whoever stands in one leaves it, and
//! one list is appended to another, in one step.

use std::marker::PhantomData;

use super::slab::{Place, Slab};

/// The neighbours of a value in a list.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    previous: Option<Place>,
    next: Option<Place>,
}

impl Links {
    /// Who stands behind it.
    pub(super) fn next(self) -> Option<Place> {
        self.next
    }
}

/// A value that can stand in a list of the kind `L`, one at a time.
pub(super) trait Linked<L> {
    fn links(&mut self) -> &mut Links;
}

/// A list of the kind `L`.
#[derive(Debug)]
pub(super) struct List<L> {
    first: Option<Place>,
    last: Option<Place>,
    len: u32,
    kind: PhantomData<L>,
}

impl<L> Default for List<L> {
    fn default() -> Self {
        Self { first: None, last: None, len: 0, kind: PhantomData }
    }
}

impl<L> List<L> {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(&self) -> Option<Place> {
        self.first
    }

    pub(super) fn last(&self) -> Option<Place> {
        self.last
    }

    /// Puts a value last that stands in no list of this kind.
    pub(super) fn push<T: Linked<L>>(&mut self, slab: &mut Slab<T>, place: Place) {
        *slab[place].links() = Links { previous: self.last, next: None };
        match self.last.replace(place) {
            Some(last) => slab[last].links().next = Some(place),
            None => self.first = Some(place),
        }
        self.len += 1;
    }

    /// Puts a value first that stands in no list of this kind.
    pub(super) fn push_first<T: Linked<L>>(&mut self, slab: &mut Slab<T>, place: Place) {
        *slab[place].links() = Links { previous: None, next: self.first };
        match self.first.replace(place) {
            Some(first) => slab[first].links().previous = Some(place),
            None => self.last = Some(place),
        }
        self.len += 1;
    }

    /// Takes a value out that stands in this list.
    pub(super) fn remove<T: Linked<L>>(&mut self, slab: &mut Slab<T>, place: Place) {
        let Links { previous, next } = std::mem::take(slab[place].links());
        match previous {
            Some(previous) => slab[previous].links().next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => slab[next].links().previous = previous,
            None => self.last = previous,
        }
        self.len -= 1;
    }

    /// Puts the first one last.
    pub(super) fn rotate<T: Linked<L>>(&mut self, slab: &mut Slab<T>) {
        if let Some(first) = self.first {
            self.remove(slab, first);
            self.push(slab, first);
        }
    }

    /// Puts all of another list behind the last of this one.
    pub(super) fn append<T: Linked<L>>(&mut self, slab: &mut Slab<T>, other: Self) {
        let (Some(first), Some(last)) = (other.first, other.last) else {
            return;
        };
        slab[first].links().previous = self.last;
        match self.last.replace(last) {
            Some(last) => slab[last].links().next = Some(first),
            None => self.first = Some(first),
        }
        self.len += other.len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Value(char, Links);

    impl Linked<()> for Value {
        fn links(&mut self) -> &mut Links {
            &mut self.1
        }
    }

    fn list(slab: &mut Slab<Value>, names: &str) -> (List<()>, Vec<Place>) {
        let mut list = List::default();
        let new = |name| slab.insert(Value(name, Links::default())).place;
        let places: Vec<_> = names.chars().map(new).collect();
        places.iter().for_each(|&place| list.push(slab, place));
        (list, places)
    }

    /// From the first to the last, and what one meets on the way back.
    fn shown(slab: &Slab<Value>, list: &List<()>) -> (String, String) {
        let walk = |from, next: fn(&Links) -> Option<Place>| {
            std::iter::successors(from, |&at: &Place| next(&slab[at].1))
                .map(|at| slab[at].0)
                .collect::<String>()
        };
        let there = walk(list.first, |links| links.next);
        assert_eq!(list.len(), there.len());
        (there, walk(list.last, |links| links.previous))
    }

    fn ways(text: &str) -> (String, String) {
        (text.into(), text.chars().rev().collect())
    }

    #[test]
    fn whoever_leaves_is_missing_and_the_others_stand_as_they_stood() {
        for (leaves, left) in [(0, "bcd"), (1, "acd"), (3, "abc")] {
            let mut slab = Slab::default();
            let (mut list, places) = list(&mut slab, "abcd");
            list.remove(&mut slab, places[leaves]);
            assert_eq!(shown(&slab, &list), ways(left));
        }
    }

    #[test]
    fn the_last_one_who_leaves_leaves_nothing() {
        let mut slab = Slab::default();
        let (mut list, places) = list(&mut slab, "a");
        list.rotate(&mut slab);
        assert_eq!(shown(&slab, &list), ways("a"));
        list.remove(&mut slab, places[0]);
        assert!(list.is_empty() && list.last().is_none());
        list.rotate(&mut slab);
        assert_eq!(shown(&slab, &list), ways(""));
    }

    #[test]
    fn the_first_one_can_be_put_last() {
        let mut slab = Slab::default();
        let (mut list, _) = list(&mut slab, "abc");
        list.rotate(&mut slab);
        assert_eq!(shown(&slab, &list), ways("bca"));
    }

    #[test]
    fn a_value_can_be_put_first() {
        let mut slab = Slab::default();
        let (mut list, _) = list(&mut slab, "");
        for name in ['c', 'b', 'a'] {
            let place = slab.insert(Value(name, Links::default())).place;
            list.push_first(&mut slab, place);
        }
        assert_eq!(shown(&slab, &list), ways("abc"));
    }

    #[test]
    fn a_list_is_put_behind_another() {
        for (one, other) in [("ab", "cd"), ("", "cd"), ("ab", ""), ("", "")] {
            let mut slab = Slab::default();
            let (mut first, _) = list(&mut slab, one);
            let (second, _) = list(&mut slab, other);
            first.append(&mut slab, second);
            assert_eq!(shown(&slab, &first), ways(&format!("{one}{other}")));
        }
    }
}
