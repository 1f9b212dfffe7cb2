//! Measurements of time on a machine that does other things too.

use std::fmt::Debug;

/// Repeats a measurement that was disturbed, until it is good. What is wrong
/// in the measured thing is wrong each time.
#[track_caller]
pub fn undisturbed<E: Debug>(mut measure: impl FnMut() -> Result<(), E>) {
    const ATTEMPTS: usize = 8;
    let mut failures = Vec::new();
    for _ in 0..ATTEMPTS {
        match measure() {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("not good in any of {ATTEMPTS} attempts: {failures:?}");
}
