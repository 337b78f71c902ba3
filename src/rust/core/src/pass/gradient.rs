//! The slopes and curvatures of the log-likelihood in the loadings of one factor, or of several.

use crate::factor::Factor;
use crate::noise::ResidualParams;
use crate::pass::{multi_factor_sweep, sweep, Model, PassLevel, PassOutput, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::vector::dot;

/// For each of `factors` the products of `x − b̄` with its loadings, and the curvatures in each of them; and the sums. Without
/// any factor, there are the products of one that is zero, and the sums are those of the view.
///
/// A single factor has a sweep of its own, in which nothing is written down. For several, the mean curvature stands in
/// for that of each loading: it is all but as good a guide, at half the cost.
pub(crate) fn loading_gradient(
    view: &ResidualView,
    factors: &[Factor],
    params: ResidualParams,
    threads: Threads,
) -> (Vec<(RowColSums, RowColSums)>, PassStats) {
    let nothing = view.zero_factor();
    if let [factor] = if factors.is_empty() { std::slice::from_ref(&nothing) } else { factors } {
        let model = Model { factor, params };
        let PassOutput { products, curvatures, sums } =
            sweep(view, model, &model.question(PassLevel::Curvature), threads);
        return (vec![(products, curvatures)], sums);
    }
    let (products, sums) = if view.sparse().is_some() && view.is_plain() {
        one_by_one(view, factors, params, threads)
    } else {
        let found = multi_factor_sweep(view, factors, params, false, threads);
        ((0..factors.len()).map(|index| found.products.of(index)).collect(), found.sums)
    };
    let mean = sums.curvature / sums.count;
    let side = |length: usize, other: &[f64]| vec![mean * dot(other, other); length];
    let curvatures = |factor: &Factor| RowColSums {
        rows: side(factor.u.nrows(), factor.v()),
        columns: factor.v.as_ref().map_or(Vec::new(), |v| side(v.nrows(), factor.u())),
    };
    (products.into_iter().zip(factors).map(|(products, factor)| (products, curvatures(factor))).collect(), sums)
}

/// The products by a sweep a factor, the others taken out: of a matrix that is mostly zero each goes over its stored
/// entries.
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
        let found = sweep(&view.minus(&others), model, &model.question(PassLevel::Curvature), threads);
        sums = found.sums;
        found.products
    });
    (products.collect(), sums)
}
