//! The slopes and curvatures of the log-likelihood in the loadings of one factor, or of several.

use super::{joint_sweep, sweep, Depth, Margins, Model, Sums, Sweep};
use crate::noise::Noise;
use crate::parallel::Threads;
use crate::vector::dot;
use crate::view::{Factor, View};

/// For each of `factors` the products of `x − b̄` with its loadings, and the curvatures in each of them; and the sums. Without
/// any factor, there are the products of one that is zero, and the sums are those of the view.
///
/// A single factor has a sweep of its own, in which nothing is written down. For several, the mean curvature stands in
/// for that of each loading: it is all but as good a guide, at half the cost.
pub(crate) fn slopes(
    view: &View,
    factors: &[Factor],
    noise: Noise,
    threads: Threads,
) -> (Vec<(Margins, Margins)>, Sums) {
    let nothing = Factor::zero(view);
    if let [factor] = if factors.is_empty() { std::slice::from_ref(&nothing) } else { factors } {
        let model = Model { factor, noise };
        let Sweep { products, curvatures, sums } = sweep(view, model, &model.question(Depth::Curvature), threads);
        return (vec![(products, curvatures)], sums);
    }
    let (products, sums) = if view.sparse().is_some() && view.is_plain() {
        one_by_one(view, factors, noise, threads)
    } else {
        let found = joint_sweep(view, factors, noise, false, threads);
        ((0..factors.len()).map(|index| found.products.of(index)).collect(), found.sums)
    };
    let mean = sums.curvature / sums.count;
    let side = |length: usize, other: &[f64]| vec![mean * dot(other, other); length];
    let curvatures = |factor: &Factor| Margins {
        rows: side(factor.u.len(), factor.v()),
        columns: factor.v.as_ref().map_or(Vec::new(), |v| side(v.len(), &factor.u)),
    };
    (products.into_iter().zip(factors).map(|(products, factor)| (products, curvatures(factor))).collect(), sums)
}

/// The products by a sweep a factor, the others taken out: of a matrix that is mostly zero each goes over its stored
/// entries.
fn one_by_one(view: &View, factors: &[Factor], noise: Noise, threads: Threads) -> (Vec<Margins>, Sums) {
    let mut sums = Sums::empty(1.0 / noise.lambda);
    let products = (0..factors.len()).map(|index| {
        let (before, rest) = factors.split_at(index);
        let (factor, after) = (&rest[0], &rest[1..]);
        let others: Vec<Factor> = view.fitted().iter().chain(before).chain(after).cloned().collect();
        let model = Model { factor, noise };
        let found = sweep(&view.minus(&others), model, &model.question(Depth::Curvature), threads);
        sums = found.sums;
        found.products
    });
    (products.collect(), sums)
}
