//! What is seen of the quantities that a prior is for.

use crate::error::Error;
use crate::runtime::parallel::Threads;
use std::ops::Range;

/// The pairs that a thread takes at a time.
const PIECE: usize = 1 << 11;

/// Pairs of `x_i` and its standard deviation `s_i`, and the threads that may go over them.
#[derive(Clone, Copy, Debug)]
pub struct Observations<'a> {
    x: &'a [f64],
    s: &'a [f64],
    threads: Threads,
}

impl<'a> Observations<'a> {
    /// At least one pair of a finite `x` and a positive, finite `s`.
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

    /// The same for so many threads; what is found does not depend on them.
    pub fn on(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// The pairs in turn.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.x.iter().copied().zip(self.s.iter().copied())
    }

    pub(crate) fn threads(&self) -> Threads {
        self.threads
    }

    /// `work` of each pair, in their order.
    pub(crate) fn map<T: Send>(&self, work: impl Fn(f64, f64) -> T + Sync) -> Vec<T> {
        let run = |pairs: Range<usize>| pairs.map(|index| work(self.x[index], self.s[index])).collect::<Vec<_>>();
        self.pieces(run).into_iter().flatten().collect()
    }

    /// `work` of runs of pairs, in their order.
    pub(crate) fn pieces<T: Send>(&self, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let count = self.x.len();
        self.threads.map(count.div_ceil(PIECE), |piece| work(piece * PIECE..((piece + 1) * PIECE).min(count)))
    }

    /// `work(0), …, work(jobs − 1)`, side by side, each of which goes over all the pairs that it is handed by itself.
    pub(crate) fn repeatedly<T: Send>(&self, jobs: usize, work: impl Fn(usize, Self) -> T + Sync) -> Vec<T> {
        let alone = self.on(Threads::new(1));
        let at_a_time = PIECE.div_ceil(self.x.len());
        let run = |turn: usize| {
            let turns = turn * at_a_time..((turn + 1) * at_a_time).min(jobs);
            turns.map(|job| work(job, alone)).collect::<Vec<_>>()
        };
        self.threads.map(jobs.div_ceil(at_a_time), run).into_iter().flatten().collect()
    }

    /// At most `most` of the pairs, at even steps through all in the order of their `x`; `None` where there are no more
    /// than that. The largest and the least are among them.
    pub(crate) fn sample(&self, most: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        let count = self.x.len();
        if count <= most {
            return None;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&one, &other| self.x[one].total_cmp(&self.x[other]));
        let best_count = (0..most).map(|index| order[index * (count - 1) / (most - 1)]);
        Some(best_count.map(|index| (self.x[index], self.s[index])).unzip())
    }

    /// The largest `x`.
    pub(crate) fn largest(&self) -> f64 {
        self.x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The least `s`.
    pub(crate) fn least_deviation(&self) -> f64 {
        self.s.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The least of `s_i² / max(|x_i|, s_i)`: a prior whose scale is far below it is a point mass at 0 to all of them.
    pub(crate) fn least_scale(&self) -> f64 {
        self.iter().map(|(x, s)| s / (x / s).abs().max(1.0)).fold(f64::INFINITY, f64::min)
    }
}
