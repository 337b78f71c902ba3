//! User interrupts (Ctrl-C), noticed without a jump of R's over Rust values that must be dropped.
//!
//! The core polls [`with_cancellation`] or [`with_grace_period`] through its cancellation check and unwinds to the nearest
//! `catch_cancellation`. Fits also poll through their progress callback (see [`crate::monitor`]), which ends them with the
//! state that they have. A grace period gives them the time for that.

use nmu_core::runtime::cancel;
use std::cell::Cell;
use std::os::raw::c_void;
use std::ptr::null_mut;
use std::time::{Duration, Instant};

extern "C" {
    fn R_ToplevelExec(function: extern "C" fn(*mut c_void), data: *mut c_void) -> i32;
    fn R_CheckUserInterrupt();
}

extern "C" fn check(_: *mut c_void) {
    // SAFETY: called by R_ToplevelExec on R's own thread; R's jump out of this call ends in R_ToplevelExec and passes
    // no Rust frame that owns anything.
    unsafe { R_CheckUserInterrupt() }
}

/// Asks R whether the user has interrupted since it was last asked.
fn ask_r() -> bool {
    // SAFETY: R is asked on the thread that it called us on, and `check` does not use its argument.
    unsafe { R_ToplevelExec(check, null_mut()) == 0 }
}

/// Polling interval for user interrupts and for progress reports.
pub(crate) const POLLING_INTERVAL: Duration = Duration::from_millis(100);
/// Time that a fit has to return its state after an interrupt. Work that takes longer is cancelled.
const GRACE_PERIOD: Duration = Duration::from_millis(150);

/// Interrupt state of the running call. R reports an interrupt once, while several stages of the work have to know of it.
#[derive(Clone, Copy)]
struct InterruptState {
    /// Time of the last poll.
    polled_at: Instant,
    /// Time at which an interrupt of the running call was noticed.
    interrupted_at: Option<Instant>,
    /// Time that the call may go on after that.
    grace: Duration,
    /// Whether a call is running.
    in_call: bool,
}

thread_local! {
    static STATE: Cell<InterruptState> = Cell::new(InterruptState {
        polled_at: Instant::now(),
        interrupted_at: None,
        grace: Duration::ZERO,
        in_call: false,
    });
}

/// Polls R at most once per interval, and returns the time at which an interrupt was noticed.
fn poll() -> Option<Instant> {
    let mut state = STATE.get();
    if state.interrupted_at.is_none() && state.polled_at.elapsed() >= POLLING_INTERVAL {
        state.interrupted_at = ask_r().then(Instant::now);
        state.polled_at = Instant::now();
        STATE.set(state);
    }
    state.interrupted_at
}

/// Polls R; true once the user has interrupted.
pub(crate) fn poll_interrupt() -> bool {
    poll().is_some()
}

/// The core's cancellation check: true once the grace period after an interrupt is over.
fn grace_period_is_over() -> bool {
    poll().is_some_and(|since| since.elapsed() >= STATE.get().grace)
}

/// Whether the running call has been interrupted, which its result has to report. Does not poll.
pub(crate) fn was_interrupted() -> bool {
    STATE.get().interrupted_at.is_some()
}

/// Records an interrupt that R noticed while it evaluated a function for us.
pub(crate) fn record_interrupt() {
    STATE.set(InterruptState { interrupted_at: Some(Instant::now()), ..STATE.get() });
}

/// Runs a call; `None` if the user interrupts it.
pub(crate) fn with_cancellation<T>(work: impl FnOnce() -> T) -> Option<T> {
    cancel_after(Duration::ZERO, || {
        let value = work();
        (!was_interrupted()).then_some(value)
    })
    .flatten()
}

/// Runs a fit; `None` if the user interrupts it before there is anything to return.
pub(crate) fn with_grace_period<T>(work: impl FnOnce() -> T) -> Option<T> {
    cancel_after(GRACE_PERIOD, work)
}

fn cancel_after<T>(grace: Duration, work: impl FnOnce() -> T) -> Option<T> {
    let outer = STATE.get();
    STATE.set(InterruptState { grace, in_call: true, ..outer });
    let _restored = Restored(outer);
    cancel::with_cancellation(grace_period_is_over, work)
}

/// Restores the state of an outer call, however the inner one ends: a custom prior may call us from within a fit. R reports
/// an interrupt once, so the outer call takes over one that the inner call has noticed: it would go on and call again.
struct Restored(InterruptState);

impl Drop for Restored {
    fn drop(&mut self) {
        let InterruptState { polled_at, interrupted_at, .. } = STATE.get();
        let interrupted_at = interrupted_at.filter(|_| self.0.in_call);
        STATE.set(InterruptState { polled_at, interrupted_at, ..self.0 });
    }
}
