//! Loadings of new rows on known factors by maximum likelihood, with the loadings of the columns, λ and σ held.
//!
//! A row is treated as a column, `a = Σ_k l_k v_k + b + e`, so that its loadings are the weights of factors. Rows are separate
//! problems. Under an exponential remainder each is concave, and its maximum does not depend on the starting point, which is the
//! projection of the row on each factor alone. That start attributes `b` and the other factors to every factor, and so lies above
//! the row, where the likelihood curves; far below the row it is nearly linear.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::fit::StopRule;
use crate::mle::maximize::{maximize, no_callback};
use crate::mle::objective::Objective;
use crate::noise::ResidualParams;
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::storage::{Dense, Masked};
use crate::trace::Status;

/// New rows; loadings, λ and σ are in the units of the scaled entries.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// Entries, row after row; NaN if missing.
    pub values: &'a [f64],
    /// Scale that entries are multiplied by as they are read.
    pub scale: f64,
    /// Prior of their remainder.
    pub remainder_prior: RemainderPrior,
}

/// Prediction for one row.
pub struct RowPrediction {
    /// Loadings `d u`, one per factor.
    pub loadings: Vec<f64>,
    /// Why the optimization ended.
    pub status: Status,
}

/// Loadings of rows on factors with loadings `columns` of the columns, each of unit norm. An interrupt returns the rows so far.
///
/// # Errors
/// [`Error::Length`] if a row and the loadings differ in length.
pub fn predict(
    rows: Rows,
    columns: &[Vec<f64>],
    params: ResidualParams,
    stop: StopRule,
    progress: &mut ProgressCallback,
) -> Result<Vec<RowPrediction>, Error> {
    let length = columns.first().map_or(1, Vec::len);
    let mut predictions = Vec::new();
    for row in rows.values.chunks(length) {
        let storage = Masked::new(Dense::from_columns(row, length, 1)?);
        let view = ResidualView::new(&storage, &[], false).scaled_by(rows.scale);
        let view = view.with_remainder_prior(rows.remainder_prior);
        let start = |v: &Vec<f64>| FreeFactor::weight(Factor::new(rows.scale * least_squares(row, v), v, Some(&[1.0])));
        let factors: Vec<FreeFactor> = columns.iter().map(start).collect();
        let objective = Objective {
            view: &view,
            factors: &factors,
            params,
            bounds: None,
            max_loading: f64::INFINITY,
            low_rank_variance: 0.0,
            threads: Threads::new(1),
        };
        let optimum = maximize(objective, stop, &mut no_callback, progress);
        let loadings = optimum.factors.iter().map(|factor| factor.d).collect();
        predictions.push(RowPrediction { loadings, status: optimum.status });
        if optimum.status == Status::Interrupted {
            break;
        }
    }
    Ok(predictions)
}

/// Nonnegative least-squares loading of a row on one factor alone; 0 if no entry is observed.
fn least_squares(row: &[f64], v: &[f64]) -> f64 {
    let observed = row.iter().zip(v).filter(|(entry, _)| !entry.is_nan());
    let (product, square) = observed.fold((0.0, 0.0), |(product, square), (entry, loading)| {
        (product + entry * loading, square + loading * loading)
    });
    if product > 0.0 {
        product / square
    } else {
        0.0
    }
}
