//! The certificate of a matrix that is mostly zero, without going over its zeros.

use crate::factor::Factor;
use crate::runtime::cancel;
use crate::runtime::cancel::checked;
use crate::storage::{Sparse, Storage};
use crate::support::{supports, MAX_FACTORS};
use crate::underapprox::tally::{Certificate, Tally};
use crate::underapprox::unit_of;
use crate::vector::{add_scaled, dot};

/// Compares factors with a sparse matrix, whose entries are multiplied by `scale`; `None` where they are too many.
///
/// At a zero `W_ij` is a violation where it is positive, which it is where a factor has a loading on both sides; and
/// `Σ W_ij²` over all entries is `Σ_kl d_k d_l (u_kᵀu_l) (v_kᵀv_l)`.
pub(super) fn certificate(stored: &Sparse, scale: f64, factors: &[Factor]) -> Option<Certificate> {
    if factors.len() > MAX_FACTORS {
        return None;
    }
    let entries = || {
        (0..stored.ncol()).flat_map(|column| {
            cancel::check();
            stored.entries(column).map(move |entry| (column, entry))
        })
    };
    // `max` passes over missing entries.
    let largest = entries().fold(0.0_f64, |largest, (_, (_, value))| largest.max((scale * value).abs()));
    let unit = unit_of(largest);
    let mut tally = Tally::default();
    let (mut count, mut square, mut positive) = (0.0, 0.0, 0.0);
    for (column, (row, value)) in entries() {
        let sum = factors.iter().fold(0.0, |sum, f| sum + f.d * f.v()[column] * f.u()[row]);
        count += 1.0;
        square += (sum / unit).powi(2);
        positive += f64::from(u8::from(sum > 0.0));
        if !value.is_nan() {
            tally.add(scale * value, sum, unit);
        }
    }
    let product = |one: &Factor, other: &Factor| {
        (one.d / unit) * (other.d / unit) * dot(one.u(), other.u()) * dot(one.v(), other.v())
    };
    let all: f64 = factors.iter().map(|one| factors.iter().map(|other| product(one, other)).sum::<f64>()).sum();
    let zeros = stored.nrow() as f64 * stored.ncol() as f64 - count;
    let violated = (positive_pairs(stored, factors) - positive).max(0.0);
    let worst = largest_at_a_zero(stored, factors, tally.largest_violation());
    tally.add_zeros(zeros, violated, worst, (all - square).max(0.0));
    Some(tally.finish())
}

/// The number of entries with `W_ij > 0`, from how often each pattern of loadings is met on either side.
fn positive_pairs(stored: &Sparse, factors: &[Factor]) -> f64 {
    let factors = || factors.iter().filter(|factor| factor.d > 0.0);
    let rows = supports(&factors().map(|factor| factor.u()).collect::<Vec<_>>(), stored.nrow());
    let columns = supports(&factors().map(Factor::v).collect::<Vec<_>>(), stored.ncol());
    let pairs = rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
    let met = checked(pairs).filter(|(row, column)| row.overlaps(column));
    met.map(|(row, column)| row.elements.len() as f64 * column.elements.len() as f64).sum()
}

/// The largest `W_ij` at an entry that is zero, if it is above `best`. No entry of a column is larger than the sum
/// of what each factor is at most there: columns are looked at in the order of that, until it is not above the best.
fn largest_at_a_zero(stored: &Sparse, factors: &[Factor], mut best: f64) -> f64 {
    let most: Vec<f64> = factors.iter().map(|f| f.d * f.u.iter().copied().fold(0.0, f64::max)).collect();
    let bound = |column: usize| factors.iter().zip(&most).map(|(f, most)| most * f.v()[column]).sum::<f64>();
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
