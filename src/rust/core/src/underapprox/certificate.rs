//! The proof, or what is missing from it: a fit's low-rank part against the matrix, entry by entry.

use crate::factor::Factor;
use crate::residual::{Buffer, Problem};
use crate::runtime::parallel::Threads;
use crate::underapprox::tally::{ratio, Certificate, Tally};
use crate::underapprox::{sparse, unit};
use crate::vector::add_scaled;

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
                    add_scaled(&mut sums, weight, factor.u());
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
