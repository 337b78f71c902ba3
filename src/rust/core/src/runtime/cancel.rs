//! Cooperative cancellation of long computations.
//!
//! A pass over a large matrix takes seconds, and its partial sums are useless. Long computations therefore poll a
//! [`CancelCheck`] between chunks of work and, if it returns `true`, unwind to the nearest [`catch_cancellation`],
//! whose caller still has a complete state. Functions in between need no extra return values, and cannot mistake a
//! partial result for a complete one. The check is thread-local: it is called only on the thread that installed it.

use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// Returns whether to cancel.
pub type CancelCheck = fn() -> bool;

thread_local! {
    static CHECK: Cell<Option<CancelCheck>> = const { Cell::new(None) };
}

/// The unwinding payload. It is resumed rather than panicked, so panic hooks do not run.
struct Cancelled;

/// Runs `work` with a cancellation check; returns `None` if it was cancelled.
pub fn with_cancellation<T>(check: CancelCheck, work: impl FnOnce() -> T) -> Option<T> {
    let _restore = RestoreCheck(CHECK.replace(Some(check)));
    catch_cancellation(work)
}

/// Runs `work`; returns `None` if it was cancelled. Panics are propagated.
pub fn catch_cancellation<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Cancelled>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Polls the check of this thread; `false` if there is none.
pub(crate) fn is_requested() -> bool {
    CHECK.get().is_some_and(|check| check())
}

/// Unwinds to the nearest [`catch_cancellation`].
pub(crate) fn cancel() -> ! {
    resume_unwind(Box::new(Cancelled))
}

/// Polls the check and cancels if it returns `true`: for long loops on the calling thread.
pub fn check() {
    if is_requested() {
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

/// Restores the check of an outer call on drop, also on unwinding.
struct RestoreCheck(Option<CancelCheck>);

impl Drop for RestoreCheck {
    fn drop(&mut self) {
        CHECK.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::cancel::{catch_cancellation, check, checked, is_requested, with_cancellation, STRIDE};
    use crate::runtime::parallel::Threads;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    thread_local! {
        static POLLS_LEFT: Cell<usize> = const { Cell::new(0) };
    }

    fn countdown() -> bool {
        POLLS_LEFT.set(POLLS_LEFT.get().saturating_sub(1));
        POLLS_LEFT.get() == 0
    }

    #[test]
    fn work_is_cancelled_when_the_check_returns_true() {
        static CANCELLED: AtomicBool = AtomicBool::new(false);
        let check_cancelled = || {
            CANCELLED.store(countdown(), Ordering::Relaxed);
            CANCELLED.load(Ordering::Relaxed)
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
            let outer = with_cancellation(check_cancelled, || {
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
        let result = with_cancellation(
            || true,
            || (with_cancellation(|| false, || Threads::new(2).map(9, |job| job)), is_requested()),
        );
        assert_eq!(result, Some((Some((0..9).collect()), true)));
    }

    #[test]
    fn long_loops_are_cancelled() {
        POLLS_LEFT.set(3);
        let mut processed = 0;
        assert_eq!(with_cancellation(countdown, || checked(0..3 * STRIDE).for_each(|_| processed += 1)), None);
        assert_eq!(processed, 2 * STRIDE);
        assert_eq!(checked(0..3 * STRIDE).count(), 3 * STRIDE);
    }

    #[test]
    fn panics_are_propagated() {
        let panic = std::panic::catch_unwind(|| catch_cancellation(|| std::panic::resume_unwind(Box::new("no end"))));
        assert_eq!(panic.err().and_then(|panic| panic.downcast_ref::<&str>().copied()), Some("no end"));
    }
}
