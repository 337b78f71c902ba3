//! Parallel execution of a fixed list of jobs on a given number of threads.
//!
//! The jobs and the order of their results do not depend on the number of threads, so sums over the results are
//! identical to the bit. Threads live for one call only, so a forked process finds no stale ones.

use crate::runtime::cancel;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{panicking, Builder};
use std::time::Duration;

/// Polled by long jobs; returns whether to stop early.
pub type StopCheck<'a> = dyn FnMut() -> bool + 'a;

/// The polling interval of the calling thread while it waits for the others.
const POLLING_INTERVAL: Duration = Duration::from_millis(50);

/// The number of entries that justifies another thread: starting one takes as long as processing some thousands.
const MIN_ENTRIES_PER_THREAD: f64 = 16384.0;

/// The number of threads that a computation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// Returns `count` threads, or one if it is 0.
    pub fn new(count: usize) -> Self {
        Self(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
    }

    /// Reduces the number of threads to what a loop over so many entries justifies.
    pub(crate) fn for_entries(self, entries: f64) -> Self {
        Self::new(self.0.get().min((entries / MIN_ENTRIES_PER_THREAD) as usize))
    }

    /// Returns `work(0), …, work(jobs − 1)`, in this order. May be cancelled between jobs (see [`cancel`]).
    pub(crate) fn map<T: Send>(self, jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        // The calling thread alone needs no slots.
        if self.0.get().min(jobs) <= 1 {
            let unless_cancelled = |job: usize| {
                cancel::check();
                work(job)
            };
            return (0..jobs).map(unless_cancelled).collect();
        }
        let results = Results::new(jobs);
        let run_job = |job: usize, stop: &mut StopCheck| {
            if !stop() {
                results.put(job, work(job));
            }
        };
        self.run(jobs, &run_job, &mut cancel::is_cancel_requested);
        results.into_vec().unwrap_or_else(|| cancel::cancel())
    }

    /// Like [`Threads::map`], for long jobs that stop early when the check that they are given returns `true`.
    ///
    /// `should_stop` is polled on the calling thread only: by the jobs that it runs, and while it waits for the others.
    #[allow(clippy::expect_used)]
    pub(crate) fn map_with_stop<T: Send>(
        self,
        jobs: usize,
        work: impl Fn(usize, &mut StopCheck) -> T + Sync,
        should_stop: &mut StopCheck,
    ) -> Vec<T> {
        let results = Results::new(jobs);
        self.run(jobs, &|job: usize, stop: &mut StopCheck| results.put(job, work(job, stop)), should_stop);
        results.into_vec().expect("invariant: every job ran once")
    }

    /// Runs every job once. It is not generic, so the code for threads is compiled once.
    fn run(self, jobs: usize, run_job: &(dyn Fn(usize, &mut StopCheck) + Sync), should_stop: &mut StopCheck) {
        let stopped = AtomicBool::new(false);
        let mut poll = || {
            let stop = stopped.load(Ordering::Relaxed) || should_stop();
            stopped.store(stop, Ordering::Relaxed);
            stop
        };
        let threads = self.0.get().min(jobs);
        if threads <= 1 {
            return (0..jobs).for_each(|job| run_job(job, &mut poll));
        }
        let next = AtomicUsize::new(0);
        let run_jobs = |stop: &mut StopCheck| loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return;
            }
            run_job(job, stop);
        };
        std::thread::scope(|scope| {
            // No message is sent: the channel closes when the last helper has dropped its sender.
            let (sender, all_done) = channel::<()>();
            let help = |sender| {
                run_jobs(&mut || stopped.load(Ordering::Relaxed));
                drop(sender);
            };
            let helpers: Vec<_> = (1..threads)
                .filter_map(|_| {
                    let sender = sender.clone();
                    // If the system refuses a thread, the others run its jobs.
                    Builder::new().spawn_scoped(scope, move || help(sender)).ok()
                })
                .collect();
            drop(sender);
            let _stop = StopOnUnwind(&stopped);
            run_jobs(&mut poll);
            while all_done.recv_timeout(POLLING_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                poll();
            }
            for helper in helpers {
                helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
    }

    /// Passes the results of [`Threads::map`] to `consume` in order, holding only a few per thread at a time: for large
    /// results.
    pub(crate) fn fold<T: Send>(
        self,
        jobs: usize,
        work: impl Fn(usize) -> T + Sync,
        mut consume: impl FnMut(usize, T),
    ) {
        let batch_size = 2 * self.0.get();
        for first in (0..jobs).step_by(batch_size) {
            let results = self.map(batch_size.min(jobs - first), |job| work(first + job));
            results.into_iter().enumerate().for_each(|(job, result)| consume(first + job, result));
        }
    }
}

/// The results of jobs, which end in any order.
struct Results<T>(Vec<Mutex<Option<T>>>);

impl<T> Results<T> {
    fn new(jobs: usize) -> Self {
        Self((0..jobs).map(|_| Mutex::new(None)).collect())
    }

    fn put(&self, job: usize, result: T) {
        *self.0[job].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    /// The results in the order of the jobs; `None` if one has none.
    fn into_vec(self) -> Option<Vec<T>> {
        self.0.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// Stops the other threads if the calling thread unwinds, since it waits for them and their jobs may be long.
struct StopOnUnwind<'a>(&'a AtomicBool);

impl Drop for StopOnUnwind<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(panicking(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::runtime::cancel::{cancel, catch_cancellation};
    use crate::runtime::parallel::Threads;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        for threads in [0, 1, 2, 7] {
            let squares = Threads::new(threads).map(100, |job| job * job);
            assert!(squares.iter().enumerate().all(|(job, &square)| square == job * job));
            let mut folded = Vec::new();
            Threads::new(threads).fold(100, |job| job * job, |job, square| folded.push((job, square)));
            assert!(folded.into_iter().eq(squares.into_iter().enumerate()));
        }
    }

    #[test]
    fn jobs_stop_when_the_calling_thread_unwinds() {
        let caller = std::thread::current().id();
        let result = catch_cancellation(|| {
            let work = |_, stop: &mut super::StopCheck| {
                if std::thread::current().id() == caller {
                    cancel();
                }
                // Runs until it is stopped.
                (0..).take_while(|_| !stop()).count()
            };
            Threads::new(3).map_with_stop(9, work, &mut || false)
        });
        assert_eq!(result, None);
    }

    #[test]
    fn jobs_stop_when_the_check_returns_true() {
        for threads in [1, 2, 3] {
            let mut polls = 0;
            let caller = std::thread::current().id();
            let mut should_stop = || {
                assert_eq!(std::thread::current().id(), caller);
                polls += 1;
                polls > 3
            };
            // Each job runs until it is stopped.
            let results = Threads::new(threads).map_with_stop(
                9,
                |_, stop| (0..).take_while(|_| !stop()).count(),
                &mut should_stop,
            );
            assert_eq!(results.len(), 9);
            assert_eq!(polls, 4);
        }
    }
}
