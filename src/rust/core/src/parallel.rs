//! Work over a fixed list of jobs, on as many threads as asked.
//!
//! The jobs and the order of their results do not depend on the number of threads, so neither do the bits of any sum
//! taken over them. The threads live for one call: nothing is left behind for a forked process to trip over.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of threads a computation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// At least one thread.
    pub fn new(count: usize) -> Self {
        Self(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
    }

    /// `work(0), …, work(jobs − 1)`, in that order.
    pub(crate) fn map<T: Send>(self, jobs: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        let threads = self.0.get().min(jobs);
        if threads <= 1 {
            return (0..jobs).map(work).collect();
        }
        let next = AtomicUsize::new(0);
        let take_jobs = || {
            let mut done = Vec::new();
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                if job >= jobs {
                    return done;
                }
                done.push((job, work(job)));
            }
        };
        let mut results = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(take_jobs)).collect();
            let mut results = take_jobs();
            for helper in helpers {
                match helper.join() {
                    Ok(part) => results.extend(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            results
        });
        results.sort_unstable_by_key(|&(job, _)| job);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Threads;

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        for threads in [0, 1, 2, 7] {
            let squares = Threads::new(threads).map(100, |job| job * job);
            assert!(squares.iter().enumerate().all(|(job, &square)| square == job * job));
        }
    }
}
