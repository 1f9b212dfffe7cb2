//! A wall clock that can be set while the server runs: a library to preload,
//! by which `tests/common/clock.rs` moves the clock of one server.
//!
//! It takes the place of `clock_gettime`, `gettimeofday` and `time`. Clocks that
//! nobody can set, such as `CLOCK_MONOTONIC`, are left as they are; so are the
//! points of time at which the kernel ends a sleep.
//!
//! A server finds these functions, and a module does when it asks the server.
//! One that asks libc itself does not in Valkey, which binds modules to their
//! own libraries first (`RTLD_DEEPBIND`).
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(unsafe_code, reason = "it takes the place of functions of libc")]

use std::ffi::{c_int, c_void};
use std::hint;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use libc::{clockid_t, timespec, timeval};

/// How many ms the clock is ahead, twice: if the two differ, it is being set.
/// The test writes the first before the second.
type Ahead = [AtomicI64; 2];

static NOT_AHEAD: Ahead = [AtomicI64::new(0), AtomicI64::new(0)];

/// What the test writes to, or `NOT_AHEAD`; null until somebody asks.
static AHEAD: AtomicPtr<Ahead> = AtomicPtr::new(ptr::null_mut());

/// How many ms the clock is ahead now.
fn ahead() -> i64 {
    let mut shared = AHEAD.load(Ordering::Acquire);
    if shared.is_null() {
        // Two threads may come here at once: then it is mapped twice.
        shared = map().unwrap_or_else(|| (&raw const NOT_AHEAD).cast_mut());
        AHEAD.store(shared, Ordering::Release);
    }
    // SAFETY: it is that static or a mapping that stays, and atomic.
    let [first, second] = unsafe { &*shared };
    loop {
        let millis = second.load(Ordering::Acquire);
        if first.load(Ordering::Acquire) == millis {
            return millis;
        }
        hint::spin_loop();
    }
}

/// Maps the file of the test. Nothing here may allocate: allocators ask for the
/// time as they start.
fn map() -> Option<*mut Ahead> {
    // SAFETY: the name ends with a NUL; the server has only one thread when it
    // asks for the time first, so nobody changes the environment.
    let path = unsafe { libc::getenv(c"LATCH_CLOCK".as_ptr()) };
    if path.is_null() {
        return None;
    }
    // SAFETY: a string of the environment ends with a NUL.
    let file = unsafe { libc::open(path, libc::O_RDWR | libc::O_CLOEXEC) };
    if file < 0 {
        return None;
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, wherever there is room for it.
    let memory = unsafe {
        libc::mmap(ptr::null_mut(), mem::size_of::<Ahead>(), access, libc::MAP_SHARED, file, 0)
    };
    // SAFETY: opened above, and nobody else knows of it.
    unsafe { libc::close(file) };
    (memory != libc::MAP_FAILED).then_some(memory.cast())
}

/// Moves a time of so many seconds and a part of one, of which there are `parts`.
fn put_ahead(seconds: &mut i64, part: &mut i64, parts: i64) {
    let millis = ahead();
    let sum = *part + millis % 1000 * (parts / 1000);
    *seconds += millis / 1000 + sum.div_euclid(parts);
    *part = sum.rem_euclid(parts);
}

/// `clock_gettime(2)`.
///
/// # Safety
///
/// As of the one of libc.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    // SAFETY: the kernel looks at what it is passed.
    if unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) } != 0 {
        return -1;
    }
    if matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE) {
        // SAFETY: the kernel has just written to it.
        let time = unsafe { &mut *time };
        put_ahead(&mut time.tv_sec, &mut time.tv_nsec, 1_000_000_000);
    }
    0
}

/// `gettimeofday(2)`.
///
/// # Safety
///
/// As of the one of libc.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut timeval, zone: *mut c_void) -> c_int {
    // SAFETY: the kernel looks at what it is passed.
    if unsafe { libc::syscall(libc::SYS_gettimeofday, time, zone) } != 0 {
        return -1;
    }
    // SAFETY: if it is not null, the kernel has just written to it.
    if let Some(time) = unsafe { time.as_mut() } {
        put_ahead(&mut time.tv_sec, &mut time.tv_usec, 1_000_000);
    }
    0
}

/// `time(2)`.
///
/// # Safety
///
/// As of the one of libc.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(seconds: *mut i64) -> i64 {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for what it writes.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // SAFETY: it is null, or the caller has room there.
    if let Some(seconds) = unsafe { seconds.as_mut() } {
        *seconds = now.tv_sec;
    }
    now.tv_sec
}
