//! The proof, or what is missing from it: a fit's low-rank part against the matrix, entry by entry.

use super::{sparse, unit};
use crate::deflate::Problem;
use crate::parallel::Threads;
use crate::vector::add_scaled;
use crate::view::{Buffer, Factor};

/// How a low-rank part `W = Σ_k d_k u_k v_kᵀ` compares with its matrix over the observed entries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certificate {
    /// The largest `W_ij − A_ij` over entries with `A_ij ≥ 0`; 0 where none is positive.
    pub largest_violation: f64,
    /// The number of entries with `0 ≤ A_ij < W_ij`.
    pub violated: f64,
    /// The number of entries with `A_ij ≥ 0`.
    pub checked: f64,
    /// The number of entries with `A_ij < 0`, of which no nonnegative factors are an underapproximation.
    pub negative: f64,
    /// `violated/checked`; 0 where there is nothing to check.
    pub share: f64,
    /// `‖A − W‖/‖A‖` in the Frobenius norm; 0 where A is zero.
    pub error: f64,
}

/// Compares the factors of any fit with the whole matrix, both triangles where it is symmetric.
///
/// `W_ij` is `((0 + (d_1 v_j1) u_i1) + (d_2 v_j2) u_i2) + …` in doubles, and `A_ij` the entry times the problem's scale,
/// in whose units the factors are.
pub fn certificate(problem: &Problem, factors: &[Factor], threads: Threads) -> Certificate {
    if let Some(found) = problem.storage.sparse().and_then(|stored| sparse::certificate(stored, problem.scale, factors))
    {
        return found;
    }
    let unit = unit(&problem.view(&[]), threads);
    let parts = over_strips(problem, factors, threads, |tally: &mut Tally, used, entries, sums| {
        if used == factors.len() {
            observed(entries, sums).for_each(|(entry, sum)| tally.add(entry, sum, unit));
        }
    });
    let mut total = Tally::default();
    parts.iter().for_each(|part| total.merge(part));
    total.finish()
}

/// `‖A − W‖/‖A‖` with the first factor, the first two, and so on.
pub(super) fn errors(problem: &Problem, factors: &[Factor], threads: Threads) -> Vec<f64> {
    let unit = unit(&problem.view(&[]), threads);
    let square = |entries: &[f64], sums: &[f64]| -> f64 {
        observed(entries, sums).map(|(entry, sum)| ((entry - sum) / unit).powi(2)).sum()
    };
    let parts = over_strips(problem, factors, threads, |squares: &mut Vec<f64>, used, entries, sums| {
        squares.resize(factors.len() + 1, 0.0);
        squares[used] += square(entries, sums);
    });
    let total = |used: usize| -> f64 { parts.iter().filter_map(|squares| squares.get(used)).sum() };
    (1..=factors.len()).map(|used| ratio(total(used), total(0)).sqrt()).collect()
}

/// Shrinks every `d` alike until the factors are below the matrix in every order of evaluation.
///
/// A sum of K products of three nonnegative numbers, in any order, is within `K + 1` roundings of its exact value, so that
/// two orders differ by less than `(K + 2) ε` of it, unless a product underflows.
pub(super) fn enforce(problem: &Problem, factors: &mut [Factor], threads: Threads) {
    let safety = 1.0 + (factors.len() as f64 + 2.0) * f64::EPSILON;
    let mut extra = f64::EPSILON;
    loop {
        let excess = |entry: f64, sum: f64| if entry >= 0.0 && sum > 0.0 { sum * safety / entry } else { 0.0 };
        let parts = over_strips(problem, factors, threads, |worst: &mut f64, used, entries, sums| {
            if used == factors.len() {
                *worst = observed(entries, sums).fold(*worst, |worst, (entry, sum)| worst.max(excess(entry, sum)));
            }
        });
        let worst = parts.into_iter().fold(0.0, f64::max);
        if worst <= 1.0 {
            return;
        }
        // The factors were made with a margin, so at most roundings are to be mended; the extra sees to it that they are.
        factors.iter_mut().for_each(|factor| factor.d *= (1.0 - extra) / worst);
        extra = (2.0 * extra).min(0.5);
    }
}

/// The columns that a thread takes at a time.
const STRIP: usize = 16;

/// Goes over the matrix in strips of columns. Of every column, `take` is shown how many factors are summed, the entries
/// and the sums: for no factor, for the first, for the first two, and so on. A result a strip.
fn over_strips<T: Default + Send>(
    problem: &Problem,
    factors: &[Factor],
    threads: Threads,
    take: impl Fn(&mut T, usize, &[f64], &[f64]) + Sync,
) -> Vec<T> {
    let view = problem.view(&[]);
    let strips = view.ncol().div_ceil(STRIP);
    threads.map(strips, |strip| {
        let mut result = T::default();
        let mut buffer = Buffer::new(view.nrow());
        let mut sums = vec![0.0; view.nrow()];
        for column in strip * STRIP..((strip + 1) * STRIP).min(view.ncol()) {
            let entries = view.column(column, 0..view.nrow(), &mut buffer);
            sums.fill(0.0);
            take(&mut result, 0, entries, &sums);
            for (index, factor) in factors.iter().enumerate() {
                let weight = factor.d * factor.v()[column];
                if weight != 0.0 {
                    add_scaled(&mut sums, weight, &factor.u);
                }
                take(&mut result, index + 1, entries, &sums);
            }
        }
        result
    })
}

/// The observed entries and the sums there.
fn observed<'a>(entries: &'a [f64], sums: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    entries.iter().copied().zip(sums.iter().copied()).filter(|(entry, _)| !entry.is_nan())
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        part / whole
    } else {
        0.0
    }
}

/// A certificate in the making.
#[derive(Default)]
pub(super) struct Tally {
    certificate: Certificate,
    /// `‖A − W‖²` and `‖A‖²`, in units whose squares do not overflow.
    rest: f64,
    all: f64,
}

impl Tally {
    pub(super) fn add(&mut self, entry: f64, sum: f64, unit: f64) {
        let found = &mut self.certificate;
        self.rest += ((entry - sum) / unit).powi(2);
        self.all += (entry / unit).powi(2);
        if entry < 0.0 {
            found.negative += 1.0;
            return;
        }
        found.checked += 1.0;
        if sum > entry {
            found.violated += 1.0;
            found.largest_violation = found.largest_violation.max(sum - entry);
        }
    }

    fn merge(&mut self, other: &Self) {
        let (found, part) = (&mut self.certificate, &other.certificate);
        found.largest_violation = found.largest_violation.max(part.largest_violation);
        found.violated += part.violated;
        found.checked += part.checked;
        found.negative += part.negative;
        self.rest += other.rest;
        self.all += other.all;
    }

    pub(super) fn largest_violation(&self) -> f64 {
        self.certificate.largest_violation
    }

    /// Zeros, of which some are violated, at most by `worst`; `rest` is the sum of the squares there.
    pub(super) fn add_zeros(&mut self, count: f64, violated: f64, worst: f64, rest: f64) {
        let found = &mut self.certificate;
        found.checked += count;
        found.violated += violated;
        found.largest_violation = found.largest_violation.max(worst);
        self.rest += rest;
    }

    pub(super) fn finish(self) -> Certificate {
        let found = self.certificate;
        Certificate { share: ratio(found.violated, found.checked), error: ratio(self.rest, self.all).sqrt(), ..found }
    }
}
