//! Derivatives and curvatures of the log-likelihood in the loadings of one or more factors.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::sparse::gaussian::multi_factor_products;
use crate::pass::{multi_factor_sweep, sweep, Model, PassLevel, PassOutput, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::vector::dot;
use faer::Col;

/// Returns the products of `x − b̄` with the loadings of each of `factors` and the curvatures in these loadings, and the sums
/// over the entries. Without factors, the products are those of the null factor, and the sums are those of the view.
///
/// A single factor is handled by one sweep of its own, which stores no residuals. For several factors, the mean curvature
/// replaces that of each loading: as a preconditioner it is nearly as good, at half the cost.
pub(crate) fn loading_gradient(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> (Vec<(RowColSums, RowColSums)>, PassStats) {
    let null = view.zero_factor();
    if let [factor] = if factors.is_empty() { std::slice::from_ref(&null) } else { factors } {
        let model = Model { factor, params };
        let PassOutput { products, curvatures, sums } = sweep(view, model, &model.spec(PassLevel::Curvature), threads);
        return (vec![(products, curvatures)], sums);
    }
    let (products, sums) = if view.sparse().is_some() && view.is_plain() {
        one_by_one(view, factors, params, threads)
    } else if let Some(output) = multi_factor_products(view, factors, params, threads) {
        output
    } else {
        let output = multi_factor_sweep(view, factors, params, false, threads);
        ((0..factors.len()).map(|index| output.products.of(index)).collect(), output.sums)
    };
    let mean = sums.curvature / sums.count;
    let side = |length: usize, other: &[f64]| Col::full(length, mean * dot(other, other));
    let curvatures = |factor: &Factor| RowColSums {
        rows: side(factor.u.nrows(), factor.v()),
        columns: factor.v.as_ref().map_or(Col::zeros(0), |v| side(v.nrows(), factor.u())),
    };
    (products.into_iter().zip(factors).map(|(products, factor)| (products, curvatures(factor))).collect(), sums)
}

/// The products by one sweep per factor, with the other factors subtracted: for a sparse matrix each sweep takes time
/// proportional to the stored entries.
fn one_by_one(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> (Vec<RowColSums>, PassStats) {
    let mut sums = PassStats::empty(1.0 / params.lambda);
    let products = (0..factors.len()).map(|index| {
        let (before, rest) = factors.split_at(index);
        let (factor, after) = (&rest[0], &rest[1..]);
        let others: Vec<Factor> = view.fitted().iter().chain(before).chain(after).cloned().collect();
        let model = Model { factor, params };
        let output = sweep(&view.minus(&others), model, &model.spec(PassLevel::Curvature), threads);
        sums = output.sums;
        output.products
    });
    (products.collect(), sums)
}
