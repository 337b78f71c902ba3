//! Observations of the normal-means problem, and parallel loops over them.

use crate::error::Error;
use crate::runtime::parallel::Threads;
use std::ops::Range;

/// The number of observations in a chunk, the unit of work of a thread.
const CHUNK: usize = 1 << 11;

/// Pairs of an observation `x_i` and its standard deviation `s_i`, and the threads to use for loops over them.
#[derive(Clone, Copy, Debug)]
pub struct Observations<'a> {
    x: &'a [f64],
    s: &'a [f64],
    threads: Threads,
}

impl<'a> Observations<'a> {
    /// Returns the observations, with loops on one thread.
    ///
    /// # Errors
    /// Returns an error if there are none, the lengths differ, an `x_i` is not finite or an `s_i` is not positive and
    /// finite.
    pub fn new(x: &'a [f64], s: &'a [f64]) -> Result<Self, Error> {
        if x.is_empty() {
            return Err(Error::Range { what: "the number of observations", expected: "at least 1", found: 0.0 });
        }
        if x.len() != s.len() {
            return Err(Error::Length { what: "standard deviations", expected: x.len(), found: s.len() });
        }
        if let Some(&found) = x.iter().find(|x| !x.is_finite()) {
            return Err(Error::Range { what: "an observation", expected: "finite", found });
        }
        if let Some(&found) = s.iter().find(|s| !(**s > 0.0 && s.is_finite())) {
            return Err(Error::Range { what: "a standard deviation", expected: "positive and finite", found });
        }
        Ok(Self { x, s, threads: Threads::new(1) })
    }

    /// Sets the number of threads. Results do not depend on it.
    pub fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Returns an iterator over the pairs `(x_i, s_i)`.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.x.iter().copied().zip(self.s.iter().copied())
    }

    pub(crate) fn threads(&self) -> Threads {
        self.threads
    }

    /// Applies `work` to each pair and returns the results in order.
    pub(crate) fn map<T: Send>(&self, work: impl Fn(f64, f64) -> T + Sync) -> Vec<T> {
        let run = |indices: Range<usize>| indices.map(|i| work(self.x[i], self.s[i])).collect::<Vec<_>>();
        self.map_chunks(run).into_iter().flatten().collect()
    }

    /// Applies `work` to the index range of each chunk and returns the results in order.
    pub(crate) fn map_chunks<T: Send>(&self, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let count = self.x.len();
        self.threads.map(count.div_ceil(CHUNK), |chunk| work(chunk * CHUNK..((chunk + 1) * CHUNK).min(count)))
    }

    /// Returns `work(0), …, work(jobs − 1)`, run in parallel. Each job gets the observations with a single thread.
    pub(crate) fn map_jobs<T: Send>(&self, jobs: usize, work: impl Fn(usize, Self) -> T + Sync) -> Vec<T> {
        let single_threaded = self.with_threads(Threads::new(1));
        let batch_size = CHUNK.div_ceil(self.x.len());
        let run = |batch: usize| {
            let range = batch * batch_size..((batch + 1) * batch_size).min(jobs);
            range.map(|job| work(job, single_threaded)).collect::<Vec<_>>()
        };
        self.threads.map(jobs.div_ceil(batch_size), run).into_iter().flatten().collect()
    }

    /// Returns `size` of the pairs at equal steps through the order of their `x`, including the smallest and the
    /// largest `x`; `None` if there are no more than `size` pairs.
    pub(crate) fn subsample(&self, size: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        let count = self.x.len();
        if count <= size {
            return None;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&i, &j| self.x[i].total_cmp(&self.x[j]));
        let chosen = (0..size).map(|index| order[index * (count - 1) / (size - 1)]);
        Some(chosen.map(|i| (self.x[i], self.s[i])).unzip())
    }

    /// Returns the largest `x`.
    pub(crate) fn max_x(&self) -> f64 {
        self.x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Returns the largest `s`.
    pub(crate) fn max_sd(&self) -> f64 {
        self.s.iter().copied().fold(0.0, f64::max)
    }

    /// Returns the smallest `s`.
    pub(crate) fn min_sd(&self) -> f64 {
        self.s.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the smallest `s_i² / max(|x_i|, s_i)`: a prior of much smaller scale is equivalent to a point mass at 0.
    pub(crate) fn min_scale(&self) -> f64 {
        self.iter().map(|(x, s)| s / (x / s).abs().max(1.0)).fold(f64::INFINITY, f64::min)
    }
}
