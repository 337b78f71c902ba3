//! Cooperative cancellation of long computations: the one way in which a running computation is ended early.
//!
//! Computations poll a [`Check`] that the caller installs for its thread. It answers with a [`Request`]:
//!
//! | request | who follows it |
//! |---|---|
//! | stop | iterations, which end at their next boundary and return their state |
//! | cancel | passes and other long loops too, whose partial sums are useless: they unwind to the nearest [`catch_cancellation`], whose caller still has a complete state |
//!
//! Code that cannot go on, for example because entries can no longer be read, calls [`abandon`]. That unwinds further, to
//! [`catch_end`], since the state of the running iteration may already be invalid.
//!
//! Functions in between need no extra return values, and cannot mistake a partial result for a complete one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// What the caller asks of a running computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// To go on.
    Continue,
    /// To end at the next boundary of an iteration, with the state at hand.
    Stop,
    /// To unwind now.
    Cancel,
}

/// Returns the present request. Requests only become stronger: after a stop there is no way back.
pub type Check = fn() -> Request;

thread_local! {
    static CHECK: Cell<Option<Check>> = const { Cell::new(None) };
}

/// Why a computation ended early; the unwinding payload. It is resumed rather than panicked, so panic hooks do not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The check asked for it.
    Cancelled,
    /// It could not go on.
    Abandoned,
}

/// Installs a check for this thread until the value is dropped; then an earlier one is restored.
pub fn install(check: Check) -> Installed {
    Installed(CHECK.replace(Some(check)))
}

/// An installed check; has the one of an outer call.
#[must_use]
pub struct Installed(Option<Check>);

impl Drop for Installed {
    fn drop(&mut self) {
        CHECK.set(self.0);
    }
}

/// Runs `work`; returns `None` if it was cancelled. Anything else that unwinds is propagated.
pub fn catch_cancellation<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) if payload.downcast_ref() == Some(&End::Cancelled) => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Runs `work`; returns why it ended early if it did. Panics are propagated.
pub fn catch_end<T>(work: impl FnOnce() -> T) -> Result<T, End> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|payload| end_of(payload.as_ref()).unwrap_or_else(|| resume_unwind(payload)))
}

/// Returns why a computation ended early, given what was caught; `None` for a panic.
pub fn end_of(payload: &(dyn Any + Send)) -> Option<End> {
    payload.downcast_ref().copied()
}

/// Returns the present request; to continue if no check is installed.
fn request() -> Request {
    CHECK.get().map_or(Request::Continue, |check| check())
}

/// Polls the check at the boundary of an iteration; returns whether to end there.
pub fn is_stop_requested() -> bool {
    request() >= Request::Stop
}

/// Polls the check within an iteration; returns whether to unwind.
pub(crate) fn is_cancel_requested() -> bool {
    request() == Request::Cancel
}

/// Unwinds to the nearest [`catch_cancellation`].
pub(crate) fn cancel() -> ! {
    resume_unwind(Box::new(End::Cancelled))
}

/// Ends a computation that cannot go on: only results that were complete before are kept.
pub fn abandon() -> ! {
    resume_unwind(Box::new(End::Abandoned))
}

/// Polls the check and cancels if asked to: for long loops on the calling thread.
pub fn check() {
    if is_cancel_requested() {
        cancel();
    }
}

/// The number of items between two polls.
const STRIDE: usize = 1 << 12;

/// Returns an iterator over the same items that polls the check at regular intervals.
pub fn checked<I: Iterator>(items: I) -> impl Iterator<Item = I::Item> {
    items.enumerate().map(|(index, item)| {
        if index % STRIDE == 0 {
            check();
        }
        item
    })
}

#[cfg(test)]
mod tests {
    use crate::runtime::cancel::{
        abandon, catch_cancellation, catch_end, check, checked, install, is_cancel_requested, is_stop_requested, Check,
        End, Request, STRIDE,
    };
    use crate::runtime::parallel::Threads;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    thread_local! {
        static POLLS_LEFT: Cell<usize> = const { Cell::new(0) };
    }

    fn with_check<T>(check: Check, work: impl FnOnce() -> T) -> Option<T> {
        let _installed = install(check);
        catch_cancellation(work)
    }

    fn countdown() -> Request {
        POLLS_LEFT.set(POLLS_LEFT.get().saturating_sub(1));
        if POLLS_LEFT.get() == 0 {
            Request::Cancel
        } else {
            Request::Continue
        }
    }

    #[test]
    fn work_is_cancelled_when_the_check_asks_for_it() {
        static CANCELLED: AtomicBool = AtomicBool::new(false);
        let check_cancelled = || {
            let request = countdown();
            CANCELLED.store(request == Request::Cancel, Ordering::Relaxed);
            request
        };
        for threads in [1, 2, 3].map(Threads::new) {
            // Other threads wait for the cancellation: they could complete all jobs before the check is polled.
            CANCELLED.store(false, Ordering::Relaxed);
            let caller = thread::current().id();
            let wait = |job: usize| {
                while thread::current().id() != caller && !CANCELLED.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                job
            };
            let mut results = Vec::new();
            let outer = with_check(check_cancelled, || {
                POLLS_LEFT.set(usize::MAX);
                results.push(catch_cancellation(|| threads.map(2, |job| job)));
                POLLS_LEFT.set(3);
                results.push(catch_cancellation(|| threads.map(100, wait)));
                check();
            });
            assert_eq!(outer, None);
            assert_eq!(results, [Some(vec![0, 1]), None]);
            assert_eq!(threads.map(3, |job| job), [0, 1, 2]);
        }
    }

    #[test]
    fn completed_work_is_returned_and_the_outer_check_is_restored() {
        let inner = || with_check(|| Request::Continue, || Threads::new(2).map(9, |job| job));
        let result = with_check(|| Request::Cancel, || (inner(), is_cancel_requested()));
        assert_eq!(result, Some((Some((0..9).collect()), true)));
        assert!(!is_stop_requested());
    }

    #[test]
    fn long_loops_are_cancelled() {
        POLLS_LEFT.set(3);
        let mut processed = 0;
        assert_eq!(with_check(countdown, || checked(0..3 * STRIDE).for_each(|_| processed += 1)), None);
        assert_eq!(processed, 2 * STRIDE);
        assert_eq!(checked(0..3 * STRIDE).count(), 3 * STRIDE);
    }

    #[test]
    fn a_stop_ends_iterations_but_no_passes() {
        let result = with_check(
            || Request::Stop,
            || {
                check();
                (is_stop_requested(), Threads::new(2).map(3, |job| job))
            },
        );
        assert_eq!(result, Some((true, vec![0, 1, 2])));
    }

    #[test]
    fn abandoned_work_keeps_no_partial_state() {
        let abandoned = |threads: usize| Threads::new(threads).map(3, |_| abandon());
        for threads in [1, 2] {
            assert_eq!(catch_end(|| catch_cancellation(|| abandoned(threads))).err(), Some(End::Abandoned));
        }
        assert_eq!(catch_end(|| catch_end(check)), Ok(Ok(())));
    }

    #[test]
    fn panics_are_propagated() {
        let panic = std::panic::catch_unwind(|| catch_cancellation(|| std::panic::resume_unwind(Box::new("no end"))));
        assert_eq!(panic.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("no end"));
    }
}
