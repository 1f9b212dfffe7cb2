//! The judge is judged: histories made by hand, most of them bad.

use std::time::Duration;

use super::check::{Countdown, History, Moment, Round, Span, Told, Wait};

fn at(millis: u64) -> Moment {
    Duration::from_millis(millis)
}

fn span(sent: u64, answered: u64) -> Span {
    Span { sent: at(sent), answered: Some(at(answered)) }
}

fn countdown(sent: u64, answered: u64, remaining: i64) -> Countdown {
    Countdown { span: span(sent, answered), id: None, remaining: Some(remaining) }
}

fn told(sent: u64, answered: u64, told: Told) -> Wait {
    Wait { span: span(sent, answered), timeout: None, parked: None, told: Some(told) }
}

/// A latch of 2, set at 0, counted down at 100 and 200.
fn plain() -> History {
    let countdowns = vec![countdown(100, 110, 1), countdown(200, 210, 0)];
    let round = Round { count: 2, set: span(0, 10), countdowns };
    History { rounds: vec![round], waits: Vec::new() }
}

/// It, and a second round of 1 that was set with the last countdown.
fn rearmed() -> History {
    let mut history = plain();
    let countdowns = vec![countdown(400, 410, 0)];
    history.rounds.push(Round { count: 1, set: span(200, 210), countdowns });
    history
}

fn with_wait(mut history: History, wait: Wait) -> Result<(), String> {
    history.waits.push(wait);
    history.check(at(5000))
}

#[track_caller]
fn rejected(verdict: Result<(), String>, because: &str) {
    let problem = verdict.expect_err("a bad history was accepted");
    assert!(problem.contains(because), "{problem}");
}

#[test]
fn good_histories_are_accepted() {
    let accepted = [
        plain().check(at(5000)),
        rearmed().check(at(5000)),
        with_wait(plain(), told(20, 205, Told::Opened)),
        with_wait(plain(), told(20, 1200, Told::Opened)),
        // Sent before the latch was there.
        with_wait(plain(), told(5, 8, Told::Opened)),
        with_wait(plain(), told(300, 305, Told::Opened)),
        // Sent into the first round, read in the second.
        with_wait(rearmed(), told(199, 405, Told::Opened)),
        with_wait(plain(), Wait { timeout: Some(at(50)), ..told(20, 71, Told::TimedOut) }),
    ];
    for (which, verdict) in accepted.into_iter().enumerate() {
        assert_eq!(verdict, Ok(()), "number {which}");
    }
}

#[test]
fn an_early_success_is_rejected() {
    rejected(with_wait(plain(), told(20, 190, Told::Opened)), "early");
    rejected(with_wait(rearmed(), told(220, 390, Told::Opened)), "early");
}

#[test]
fn a_wait_that_is_never_told_is_rejected() {
    let lost = Wait {
        span: Span { sent: at(20), answered: None },
        timeout: None,
        parked: None,
        told: None,
    };
    rejected(with_wait(plain(), lost.clone()), "still parked");
    rejected(with_wait(rearmed(), lost), "still parked");
}

#[test]
fn a_wait_that_is_told_late_is_rejected() {
    rejected(with_wait(plain(), told(20, 1300, Told::Opened)), "still parked");
    // It was parked in the first round, and released with the second.
    let mut history = rearmed();
    history.rounds[1].countdowns = vec![countdown(1400, 1410, 0)];
    let wait = Wait { parked: Some(at(50)), ..told(20, 1405, Told::Opened) };
    rejected(with_wait(history, wait), "still parked");
}

#[test]
fn a_timeout_before_its_time_is_rejected() {
    let wait = Wait { timeout: Some(at(100)), ..told(20, 71, Told::TimedOut) };
    rejected(with_wait(plain(), wait), "timed out early");
    rejected(with_wait(plain(), told(20, 71, Told::TimedOut)), "timed out early");
}

#[test]
fn a_timeout_after_the_opening_is_rejected() {
    let wait = Wait { timeout: Some(at(200)), ..told(20, 221, Told::TimedOut) };
    rejected(with_wait(plain(), wait), "slept through");
    let in_time = Wait { timeout: Some(at(185)), ..told(20, 215, Told::TimedOut) };
    assert_eq!(with_wait(plain(), in_time), Ok(()), "its time was over first");
}

#[test]
fn a_countdown_that_was_counted_twice_is_rejected() {
    let mut history = plain();
    history.rounds[0].count = 3;
    let countdowns = &mut history.rounds[0].countdowns;
    // The same id took 2 and 1; for the third there was nothing left.
    *countdowns = vec![countdown(100, 110, 2), countdown(120, 130, 1), countdown(140, 150, 0)];
    countdowns[0].id = Some(1);
    countdowns[1].id = Some(1);
    countdowns.push(countdown(160, 170, 0));
    rejected(history.check(at(5000)), "remained [2, 0, 0]");
}

#[test]
fn a_remainder_that_two_were_told_is_rejected() {
    let mut history = plain();
    history.rounds[0].countdowns[0].remaining = Some(0);
    rejected(history.check(at(5000)), "remained [0, 0]");
}

#[test]
fn a_countdown_that_was_lost_is_rejected() {
    let mut history = plain();
    history.rounds[0].countdowns[1] = countdown(200, 210, 1);
    rejected(history.check(at(5000)), "remained [1, 1]");
    history.rounds[0].countdowns[1].remaining = None;
    rejected(history.check(at(5000)), "not answered");
}

#[test]
fn countdowns_in_the_wrong_order_are_rejected() {
    let mut history = plain();
    history.rounds[0].countdowns = vec![countdown(100, 110, 0), countdown(200, 210, 1)];
    rejected(history.check(at(5000)), "before");
}

#[test]
fn an_id_that_was_sent_again_counts_once() {
    let mut history = plain();
    let countdowns = &mut history.rounds[0].countdowns;
    countdowns[0].id = Some(7);
    countdowns.push(Countdown { id: Some(7), ..countdown(105, 300, 0) });
    assert_eq!(history.check(at(5000)), Ok(()));
    // Nor does the second sending put off the opening.
    rejected(with_wait(history, told(20, 1250, Told::Opened)), "still parked");
}
