//! Comparison of a low-rank part with its matrix: certificate, errors, and enforcement of the inequality; and the best low-rank
//! approximations without any constraint.

use crate::factor::Factor;
use crate::optim::lanczos::{leading_eigenvalues, Leading};
use crate::pass::product;
use crate::residual::{Buffer, Problem};
use crate::runtime::cancel;
use crate::runtime::cancel::checked;
use crate::runtime::parallel::Threads;
use crate::storage::{Sparse, Storage};
use crate::support::{loading_supports, MAX_FACTORS};
use crate::underapprox::{unit, unit_of};
use crate::vector::{add_scaled, dot};
use faer::{Col, ColRef};

/// Comparison of a low-rank part `W = Σ_k d_k u_k v_kᵀ` with its matrix over the observed entries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certificate {
    /// The largest `W_ij − A_ij` over entries with `A_ij ≥ 0`; 0 if none is positive.
    pub largest_violation: f64,
    /// The number of entries with `0 ≤ A_ij < W_ij`.
    pub violated: f64,
    /// The number of entries with `A_ij ≥ 0`.
    pub checked: f64,
    /// The number of entries with `A_ij < 0`, of which nonnegative factors cannot be an underapproximation.
    pub negative: f64,
    /// `violated/checked`; 0 if no entry is checked.
    pub share: f64,
    /// `‖A − W‖/‖A‖` in the Frobenius norm; 0 if A is zero.
    pub error: f64,
    /// The explained share of the squared norm, `1 − ‖A − W‖²/‖A‖²`; NaN if A is zero.
    pub explained: f64,
}

/// Compares the factors of any fit with the whole matrix, both triangles if it is symmetric.
///
/// `W_ij` is `((0 + (d_1 v_j1) u_i1) + (d_2 v_j2) u_i2) + …` in doubles, and `A_ij` the entry times the scale of the
/// problem. The factors are in the same units.
pub fn certificate(problem: &Problem, factors: &[Factor], threads: Threads) -> Certificate {
    let sparse = problem.storage.sparse().and_then(|stored| sparse_certificate(stored, problem.scale, factors));
    if let Some(certificate) = sparse {
        return certificate;
    }
    let unit = unit(&problem.view(&[]), threads);
    let strips = map_strips(problem, factors, threads, |builder: &mut CertificateBuilder, used, entries, sums| {
        if used == factors.len() {
            observed(entries, sums).for_each(|(entry, sum)| builder.add(entry, sum, unit));
        }
    });
    let mut total = CertificateBuilder::default();
    strips.iter().for_each(|strip| total.merge(strip));
    total.finish()
}

/// Returns the shares of the squared norm that the best approximations of rank 1, 2, … `count` explain: `Σ s_k²/‖A‖²` over the
/// largest singular values `s_k`. They are lower bounds, of Ritz values whose sum no longer changes.
///
/// The scale of the problem must bring the entries near 1. NaN if entries may be missing, as there is no closed form then, or if A is
/// zero.
pub fn best_rank_shares(problem: &Problem, count: usize, threads: Threads) -> Vec<f64> {
    let view = &problem.view(&[]);
    let total = if view.has_missing() { 0.0 } else { squared_norm(problem, threads) };
    if total <= 0.0 {
        return vec![f64::NAN; count];
    }
    let (nrow, ncol) = (view.nrow(), view.ncol());
    let (no_rows, no_columns) = (Col::zeros(nrow), Col::zeros(ncol));
    let rows = |x: &[f64]| product(view, no_rows.as_ref(), ColRef::from_slice(x), threads).rows().to_vec();
    let columns = |x: &[f64]| product(view, ColRef::from_slice(x), no_columns.as_ref(), threads).columns().to_vec();
    let squares = if view.is_symmetric() {
        let image = |x: &[f64]| product(view, ColRef::from_slice(x), ColRef::from_slice(x), threads).rows().to_vec();
        leading_eigenvalues(nrow, count, Leading::Magnitude, total, image)
    } else if nrow < ncol {
        leading_eigenvalues(nrow, count, Leading::Value, total, |x| rows(&columns(x)))
    } else {
        leading_eigenvalues(ncol, count, Leading::Value, total, |x| columns(&rows(x)))
    };
    let mut sum = 0.0;
    let mut share = |index: usize| {
        sum += squares.get(index).copied().unwrap_or(0.0);
        f64::min(sum / total, 1.0)
    };
    (0..count).map(&mut share).collect()
}

/// Returns `‖A‖²`.
fn squared_norm(problem: &Problem, threads: Threads) -> f64 {
    if let Some(stored) = problem.storage.sparse() {
        let column = |column| stored.entries(column).map(|(_, value)| (problem.scale * value).powi(2)).sum::<f64>();
        return checked(0..stored.ncol()).map(column).sum();
    }
    let strips =
        map_strips(problem, &[], threads, |squares: &mut f64, _, entries, _| *squares += dot(entries, entries));
    strips.into_iter().sum()
}

/// Returns `‖A − W‖/‖A‖` with the first factor, with the first two, and so on.
pub(super) fn relative_errors(problem: &Problem, factors: &[Factor], threads: Threads) -> Vec<f64> {
    let unit = unit(&problem.view(&[]), threads);
    let squared_error = |entries: &[f64], sums: &[f64]| -> f64 {
        observed(entries, sums).map(|(entry, sum)| ((entry - sum) / unit).powi(2)).sum()
    };
    let strips = map_strips(problem, factors, threads, |squares: &mut Vec<f64>, used, entries, sums| {
        squares.resize(factors.len() + 1, 0.0);
        squares[used] += squared_error(entries, sums);
    });
    let total = |used: usize| -> f64 { strips.iter().filter_map(|squares| squares.get(used)).sum() };
    (1..=factors.len()).map(|used| ratio(total(used), total(0)).sqrt()).collect()
}

/// Multiplies every `d` by a common number such that the factors are below the matrix for every order of evaluation.
///
/// A sum of K products of three nonnegative numbers, in any order, is within `K + 1` roundings of its exact value.
/// Hence two orders differ by less than `(K + 2) ε` relative to it, unless a product underflows.
pub(super) fn enforce(problem: &Problem, factors: &mut [Factor], threads: Threads) {
    let safety = 1.0 + (factors.len() as f64 + 2.0) * f64::EPSILON;
    let mut extra = f64::EPSILON;
    loop {
        let excess = |entry: f64, sum: f64| if entry >= 0.0 && sum > 0.0 { sum * safety / entry } else { 0.0 };
        let strips = map_strips(problem, factors, threads, |worst: &mut f64, used, entries, sums| {
            if used == factors.len() {
                *worst = observed(entries, sums).fold(*worst, |worst, (entry, sum)| worst.max(excess(entry, sum)));
            }
        });
        let worst = strips.into_iter().fold(0.0, f64::max);
        if worst <= 1.0 {
            return;
        }
        // The factors were fitted with a margin, so the excess is at most some roundings. `extra` ensures progress.
        factors.iter_mut().for_each(|factor| factor.d *= (1.0 - extra) / worst);
        extra = (2.0 * extra).min(0.5);
    }
}

/// The number of columns of a strip, the unit of work of a thread.
pub(super) const STRIP_NCOL: usize = 16;

/// Calls `visit` for the columns of the matrix, in strips, and returns one result per strip.
///
/// `visit` gets the number of factors that are summed, the entries of a column, and the sums. It is called for every
/// column with no factor, with the first, with the first two, and so on.
fn map_strips<T: Default + Send>(
    problem: &Problem,
    factors: &[Factor],
    threads: Threads,
    visit: impl Fn(&mut T, usize, &[f64], &[f64]) + Sync,
) -> Vec<T> {
    let view = problem.view(&[]);
    let strips = view.ncol().div_ceil(STRIP_NCOL);
    threads.map(strips, |strip| {
        let mut result = T::default();
        let columns = strip * STRIP_NCOL..((strip + 1) * STRIP_NCOL).min(view.ncol());
        let mut buffer = Buffer::new(view.nrow(), columns.end);
        let mut sums = vec![0.0; view.nrow()];
        for column in columns {
            let entries = view.column(column, 0..view.nrow(), &mut buffer);
            sums.fill(0.0);
            visit(&mut result, 0, entries, &sums);
            for (index, factor) in factors.iter().enumerate() {
                let weight = factor.d * factor.v()[column];
                if weight != 0.0 {
                    add_scaled(&mut sums, weight, factor.u());
                }
                visit(&mut result, index + 1, entries, &sums);
            }
        }
        result
    })
}

/// Iterates over the observed entries and the sums there.
fn observed<'a>(entries: &'a [f64], sums: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    entries.iter().copied().zip(sums.iter().copied()).filter(|(entry, _)| !entry.is_nan())
}

/// Computes the certificate of a sparse matrix, whose entries are multiplied by `scale`, without visiting its zeros;
/// `None` if there are more than [`MAX_FACTORS`] factors.
///
/// A zero is violated if `W_ij > 0`, which holds where a factor has positive loadings on both sides. Over all entries,
/// `Σ W_ij²` is `Σ_kl d_k d_l (u_kᵀu_l) (v_kᵀv_l)`.
fn sparse_certificate(stored: &Sparse, scale: f64, factors: &[Factor]) -> Option<Certificate> {
    if factors.len() > MAX_FACTORS {
        return None;
    }
    let entries = || {
        (0..stored.ncol()).flat_map(|column| {
            cancel::check();
            stored.entries(column).map(move |entry| (column, entry))
        })
    };
    // `max` ignores missing entries.
    let largest = entries().fold(0.0_f64, |largest, (_, (_, value))| largest.max((scale * value).abs()));
    let unit = unit_of(largest);
    let mut builder = CertificateBuilder::default();
    let (mut count, mut square, mut positive) = (0.0, 0.0, 0.0);
    for (column, (row, value)) in entries() {
        let sum = factors.iter().fold(0.0, |sum, f| sum + f.d * f.v()[column] * f.u()[row]);
        count += 1.0;
        square += (sum / unit).powi(2);
        positive += f64::from(u8::from(sum > 0.0));
        if !value.is_nan() {
            builder.add(scale * value, sum, unit);
        }
    }
    let product = |one: &Factor, other: &Factor| {
        (one.d / unit) * (other.d / unit) * dot(one.u(), other.u()) * dot(one.v(), other.v())
    };
    let total: f64 = factors.iter().map(|one| factors.iter().map(|other| product(one, other)).sum::<f64>()).sum();
    let zeros = stored.nrow() as f64 * stored.ncol() as f64 - count;
    let violated = (positive_sums(stored, factors) - positive).max(0.0);
    let worst = largest_at_zero(stored, factors, builder.certificate.largest_violation);
    builder.add_zeros(zeros, violated, worst, (total - square).max(0.0));
    Some(builder.finish())
}

/// Returns the number of entries with `W_ij > 0`, from the number of rows and of columns with each support.
fn positive_sums(stored: &Sparse, factors: &[Factor]) -> f64 {
    let factors = || factors.iter().filter(|factor| factor.d > 0.0);
    let rows = loading_supports(&factors().map(|factor| factor.u()).collect::<Vec<_>>(), stored.nrow());
    let columns = loading_supports(&factors().map(Factor::v).collect::<Vec<_>>(), stored.ncol());
    let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
    let overlapping = checked(pairs).filter(|(row, column)| row.overlaps(column));
    overlapping.map(|(row, column)| row.elements.len() as f64 * column.elements.len() as f64).sum()
}

/// Returns the maximum of `best` and of `W_ij` over the zeros of the matrix.
///
/// The sum of the maxima of all factors in a column is an upper bound for its entries. Columns are visited by
/// decreasing upper bound until it is not above the current maximum.
fn largest_at_zero(stored: &Sparse, factors: &[Factor], mut best: f64) -> f64 {
    let largest: Vec<f64> = factors.iter().map(|f| f.d * f.u.iter().copied().fold(0.0, f64::max)).collect();
    let bound = |column: usize| factors.iter().zip(&largest).map(|(f, largest)| largest * f.v()[column]).sum::<f64>();
    let mut columns: Vec<(f64, usize)> = (0..stored.ncol()).map(|column| (bound(column), column)).collect();
    columns.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
    let mut sums = vec![0.0; stored.nrow()];
    for (bound, column) in columns {
        cancel::check();
        if bound <= best {
            break;
        }
        sums.fill(0.0);
        for factor in factors {
            add_scaled(&mut sums, factor.d * factor.v()[column], factor.u());
        }
        stored.entries(column).for_each(|(row, _)| sums[row] = 0.0);
        best = sums.iter().copied().fold(best, f64::max);
    }
    best
}

/// Sums from which a certificate is computed.
#[derive(Default)]
struct CertificateBuilder {
    certificate: Certificate,
    /// `‖A − W‖²`, in units in which squares do not overflow.
    squared_error: f64,
    /// `‖A‖²`, in the same units.
    squared_norm: f64,
}

impl CertificateBuilder {
    /// Adds an observed entry and the sum of the factors there.
    fn add(&mut self, entry: f64, sum: f64, unit: f64) {
        let certificate = &mut self.certificate;
        self.squared_error += ((entry - sum) / unit).powi(2);
        self.squared_norm += (entry / unit).powi(2);
        if entry < 0.0 {
            certificate.negative += 1.0;
            return;
        }
        certificate.checked += 1.0;
        if sum > entry {
            certificate.violated += 1.0;
            certificate.largest_violation = certificate.largest_violation.max(sum - entry);
        }
    }

    /// Adds `count` zeros, `violated` of which are violated, by at most `worst`; `squared_error` is that of the zeros.
    fn add_zeros(&mut self, count: f64, violated: f64, worst: f64, squared_error: f64) {
        let certificate = &mut self.certificate;
        certificate.checked += count;
        certificate.violated += violated;
        certificate.largest_violation = certificate.largest_violation.max(worst);
        self.squared_error += squared_error;
    }

    /// Adds the sums of another part of the matrix.
    fn merge(&mut self, other: &Self) {
        let (certificate, part) = (&mut self.certificate, &other.certificate);
        certificate.largest_violation = certificate.largest_violation.max(part.largest_violation);
        certificate.violated += part.violated;
        certificate.checked += part.checked;
        certificate.negative += part.negative;
        self.squared_error += other.squared_error;
        self.squared_norm += other.squared_norm;
    }

    /// Returns the certificate with its ratios.
    fn finish(self) -> Certificate {
        let certificate = self.certificate;
        Certificate {
            share: ratio(certificate.violated, certificate.checked),
            error: ratio(self.squared_error, self.squared_norm).sqrt(),
            explained: 1.0 - self.squared_error / self.squared_norm,
            ..certificate
        }
    }
}

/// Returns `part/whole`, or 0 if `whole` is zero.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        part / whole
    } else {
        0.0
    }
}
