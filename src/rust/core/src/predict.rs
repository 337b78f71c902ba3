//! The loadings of new rows on known factors, by maximum likelihood: the loadings of the columns, λ and σ are held.
//!
//! A row stands up as a column, `a = Σ_k l_k v_k + b + e`, so that its loadings are the weights of factors. Each row is a
//! problem of its own, and under the exponential law a concave one: its maximum does not depend on the start. The start is
//! the projection of the row, factor by factor, which takes `b` and the other factors for parts of each: from above the row
//! the likelihood curves as it should, while far below it is a slope that does not curve at all.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::mle::maximize::{maximize, no_callback, Objective, Settings};
use crate::noise::ResidualParams;
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::storage::{Dense, Masked};
use crate::trace::Status;
use faer::ColRef;

/// New rows, and what their entries are multiplied by as they are read: loadings, λ and σ are in these units.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The entries, row after row; NaN where one is missing.
    pub values: &'a [f64],
    /// The scale.
    pub scale: f64,
    /// The law of their remainder.
    pub law: RemainderPrior,
}

/// How long the climb of a row goes on.
#[derive(Clone, Copy, Debug)]
pub struct StopRule {
    /// Until the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// For so many iterations at most.
    pub iterations: usize,
}

/// What was found of a row.
pub struct RowPrediction {
    /// Its loadings `d u`, one for each factor.
    pub loadings: Vec<f64>,
    /// Why its climb ended.
    pub status: Status,
}

/// The loadings of rows on factors of which `columns` has the loadings of the columns, each of unit norm; of the rows so
/// far where the observer ends it.
///
/// # Errors
/// [`Error::Length`] where a row is not as long as the loadings.
pub fn predict(
    rows: Rows,
    columns: &[Vec<f64>],
    params: ResidualParams,
    patience: StopRule,
    on_progress: &mut ProgressCallback,
) -> Result<Vec<RowPrediction>, Error> {
    let StopRule { tolerance, iterations } = patience;
    let settings = Settings { bounds: None, largest: f64::INFINITY, spread: 0.0, tolerance, iterations };
    let length = columns.first().map_or(1, Vec::len);
    let mut found = Vec::new();
    for row in rows.values.chunks(length) {
        if row.len() != length {
            return Err(Error::Length { what: "the matrix", expected: length, found: row.len() });
        }
        let storage = Masked::new(Dense::new(ColRef::from_slice(row).as_mat()));
        let view = ResidualView::new(&storage, &[], false).scaled_by(rows.scale).with_remainder_prior(rows.law);
        let part = |v: &Vec<f64>| FreeFactor::weight(Factor::new(rows.scale * least_squares(row, v), v, Some(&[1.0])));
        let parts: Vec<FreeFactor> = columns.iter().map(part).collect();
        let hill = Objective { view: &view, parts: &parts, params, settings, threads: Threads::new(1) };
        let fit = maximize(hill, &mut no_callback, on_progress);
        let loadings = fit.factors.iter().map(|factor| factor.d).collect();
        found.push(RowPrediction { loadings, status: fit.status });
        if fit.status == Status::Interrupted {
            break;
        }
    }
    Ok(found)
}

/// The loading of a row on one factor by itself, not below zero; 0 where nothing is observed.
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
