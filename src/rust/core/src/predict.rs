//! Loadings of new rows on known factors by maximum likelihood, with the loadings of the columns, λ and σ held.
//!
//! A row is treated as a column, `a = Σ_k l_k v_k + b + e`, so that its loadings are the weights of factors. Rows are separate
//! problems. Under an exponential remainder each is concave, and its maximum does not depend on the starting point, which is the
//! projection of the row on each factor alone. That start attributes `b` and the other factors to every factor, and so lies above
//! the row, where the likelihood curves; far below the row it is nearly linear.
//!
//! The likelihood does not bound the fitted values at missing entries, so no entry of a factor may exceed a multiple of the largest
//! observed entry in a row with missing entries, as in a joint fit.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::fit::StopRule;
use crate::mle::context::{ENTRY_REDUCTION, MAX_ENTRY, MAX_MISSING};
use crate::mle::maximize::{maximize, Optimum};
use crate::mle::objective::Objective;
use crate::noise::ResidualParams;
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::storage::{Dense, Masked};
use crate::trace::Status;
use faer::{Col, ColRef, MatRef};

/// New rows; loadings, λ and σ are in the units of the scaled entries.
#[derive(Clone, Copy)]
pub struct NewRows<'a> {
    /// Entries, one column per new row; NaN if missing.
    pub entries: MatRef<'a, f64>,
    /// Scale that entries are multiplied by as they are read.
    pub scale: f64,
    /// Largest observed entry of the matrix that was fitted, not scaled.
    pub largest_entry: f64,
    /// Prior of their remainder.
    pub remainder_prior: RemainderPrior,
}

/// Prediction for one row.
pub struct RowPrediction {
    /// Loadings `d u`, one per factor.
    pub loadings: Col<f64>,
    /// Why the optimization ended.
    pub status: Status,
}

/// Loadings of new rows on factors whose loadings `v` of the columns, one factor per column, have unit norm. An interrupt returns
/// the rows so far.
///
/// # Errors
/// [`Error::Length`] if a row and the loadings differ in length.
pub fn predict(
    rows: NewRows,
    v: MatRef<f64>,
    params: ResidualParams,
    stop: StopRule,
    progress: &mut ProgressCallback,
) -> Result<Vec<RowPrediction>, Error> {
    let (length, found) = (v.nrows(), rows.entries.nrows());
    if found != length {
        return Err(Error::Length { what: "a row", expected: length, found });
    }
    let mut predictions = Vec::new();
    for index in 0..rows.entries.ncols() {
        let row = rows.entries.subcols(index, 1);
        let storage = Masked::new(Dense::new(row));
        let view = ResidualView::new(&storage, &[], false).scaled_by(rows.scale);
        let view = view.with_remainder_prior(rows.remainder_prior);
        let start = |v: ColRef<f64>| {
            let d = rows.scale * least_squares(row.col(0), v);
            FreeFactor::weight(Factor { d, u: v.to_owned(), v: Some(Col::ones(1)) })
        };
        let factors: Vec<FreeFactor> = v.col_iter().map(start).collect();
        let mut objective = Objective {
            view: &view,
            factors: &factors,
            params,
            bounds: None,
            max_entry: f64::INFINITY,
            low_rank_variance: 0.0,
            threads: Threads::new(1),
        };
        let has_missing = row.col(0).iter().any(|entry| entry.is_nan());
        let largest = rows.scale * largest_entry(row.col(0), rows.largest_entry);
        if has_missing {
            objective.max_entry = MAX_ENTRY * largest;
        }
        let mut optimum = maximize(objective, stop, progress);
        let is_in_range = |optimum: &Optimum| view.max_fitted_at_missing(&optimum.factors) <= MAX_MISSING * largest;
        while has_missing && optimum.status != Status::Interrupted && !is_in_range(&optimum) {
            let factors = optimum.free_factors(&factors);
            objective.max_entry *= ENTRY_REDUCTION;
            optimum = maximize(Objective { factors: &factors, ..objective }, stop, progress);
        }
        let loadings = optimum.factors.iter().map(|factor| factor.d).collect();
        predictions.push(RowPrediction { loadings, status: optimum.status });
        if optimum.status == Status::Interrupted {
            break;
        }
    }
    Ok(predictions)
}

/// The largest of `largest` and the observed entries of a row; 0 if all are negative.
fn largest_entry(row: ColRef<f64>, largest: f64) -> f64 {
    // `max` ignores missing entries.
    row.iter().fold(largest.max(0.0), |largest, entry| largest.max(*entry))
}

/// Nonnegative least-squares loading of a row on one factor alone; 0 if no entry is observed.
fn least_squares(row: ColRef<f64>, v: ColRef<f64>) -> f64 {
    let observed = row.iter().zip(v.iter()).filter(|(entry, _)| !entry.is_nan());
    let (product, square) = observed.fold((0.0, 0.0), |(product, square), (entry, loading)| {
        (product + entry * loading, square + loading * loading)
    });
    if product > 0.0 {
        product / square
    } else {
        0.0
    }
}
