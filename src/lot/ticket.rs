//! The places of clients in the lot.

use std::hash::Hasher;

/// One client's place in the lot, from parking to leaving. Who came first has
/// the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(super) u64);

/// Hashes tickets: numbers that we gave out in a row. The low bits stay, so that
/// those who came one after the other are neighbours in memory when they are
/// released; the high ones, which the map of the standard library tells entries
/// apart by, differ between neighbours.
#[derive(Debug, Default)]
pub(super) struct TicketHasher(u64);

impl Hasher for TicketHasher {
    fn write_u64(&mut self, number: u64) {
        self.0 = number ^ (number << 57);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a ticket is one number");
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
