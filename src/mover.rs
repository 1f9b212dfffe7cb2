//! Moving memory to where it leaves fewer holes.

/// Whoever moves memory, for as long as there is time.
pub(crate) trait Mover {
    /// The same value, perhaps in another place.
    fn value<T>(&mut self, value: Box<T>) -> Box<T>;

    /// The same values, perhaps in another place.
    fn slice<T>(&mut self, values: Box<[T]>) -> Box<[T]>;

    /// Whether to stop here, and to go on when there is time again.
    fn should_stop(&mut self) -> bool;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Mover;

    /// Moves everything, and stops at every chance.
    #[derive(Debug, Default)]
    pub(crate) struct Hasty {
        /// How many single values it has moved.
        pub(crate) values: usize,
        /// The address of each slice that it was given, and the one it gave back.
        pub(crate) slices: Vec<(usize, usize)>,
    }

    impl Mover for Hasty {
        fn value<T>(&mut self, value: Box<T>) -> Box<T> {
            self.values += 1;
            Box::new(*value)
        }

        fn slice<T>(&mut self, values: Box<[T]>) -> Box<[T]> {
            let mut moved = Vec::with_capacity(values.len());
            let from = values.as_ptr().addr();
            moved.extend(values);
            self.slices.push((from, moved.as_ptr().addr()));
            moved.into()
        }

        fn should_stop(&mut self) -> bool {
            true
        }
    }
}
