//! The natural gradient against finite differences of the bound.
#![allow(clippy::expect_used)]

use crate::noise::NoiseScales;
use crate::noise::ResidualParams;
use crate::posterior::{FactorPosterior, LoadingPosterior, NormalMeans};
use crate::prior::{Family, Observations, PointExponential, Prior};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::storage::{Dense, Masked, Storage};
use crate::variational::elbo::{ElboState, Target};
use faer::MatRef;
use std::rc::Rc;

const NOISE: ResidualParams = ResidualParams { lambda: 1.3, sigma: 0.4 };

/// Numbers between 0 and 1 that look random enough.
fn numbers(count: usize, seed: f64) -> Vec<f64> {
    (0..count).map(|index| ((index as f64 + seed) * 12.9898).sin().abs()).collect()
}

fn prior() -> Rc<dyn Prior> {
    let (weight, rate) = (Some(0.6), Some(1.5));
    let observations = Observations::new(&[1.0], &[1.0]).expect("one observation");
    Rc::from(PointExponential::new(weight, rate).expect("a prior").estimate(&observations))
}

fn belief(count: usize, seed: f64) -> LoadingPosterior {
    let s = numbers(count, seed + 0.3).iter().map(|s| 0.2 + 0.3 * s).collect();
    LoadingPosterior::new(prior(), NormalMeans { x: numbers(count, seed), s }, Threads::new(1)).expect("a belief")
}

/// The same belief, `x` of one loading moved.
fn moved(belief: &LoadingPosterior, index: usize, step: f64) -> LoadingPosterior {
    let mut problem = belief.problem.clone();
    problem.x[index] += step;
    LoadingPosterior::new(Rc::clone(&belief.prior), problem, Threads::new(1)).expect("a belief")
}

/// With `q` the posterior at `(x, s)`, `dE[w]/dx = Var[w]/s²` and `dE[w²]/dx = Cov[w, w²]/s²`. The bound's slopes in
/// `E[w]` and `E[w²]` are `x*/s*² − x/s²` and `½/s² − ½/s*²`, with the best problem `(x*, s*)`.
fn slope(belief: &LoadingPosterior, best: &NormalMeans, index: usize) -> f64 {
    const STEP: f64 = 1e-5;
    let second = |belief: &LoadingPosterior| belief.variance[index] + belief.mean[index] * belief.mean[index];
    let (up, down) = (moved(belief, index, STEP), moved(belief, index, -STEP));
    let square = |s: f64| 1.0 / (s * s);
    let (here, there) = (square(belief.problem.s[index]), square(best.s[index]));
    let first = best.x[index] * there - belief.problem.x[index] * here;
    (first * (up.mean[index] - down.mean[index]) + 0.5 * (here - there) * (second(&up) - second(&down))) / (2.0 * STEP)
}

fn slopes_are_differences(storage: &dyn Storage, symmetric: bool, count: usize, scales: Option<&NoiseScales>) {
    let (nrow, ncol) = (storage.nrow(), storage.ncol());
    let view = ResidualView::new(storage, &[], symmetric).with_noise_scales(scales);
    let target = Target { view: &view, threads: Threads::new(1) };
    let factor = |k: usize| FactorPosterior {
        rows: belief(nrow, k as f64),
        columns: (!symmetric).then(|| belief(ncol, 0.5 + k as f64)),
    };
    let beliefs: Vec<FactorPosterior> = (0..count).map(factor).collect();
    let at = |beliefs: Vec<FactorPosterior>| target.standing(beliefs, NOISE);
    let here: ElboState = at(beliefs.clone());
    for (k, (rows, columns)) in here.best.iter().enumerate() {
        let sides = [Some(rows), columns.as_ref()];
        for (side, best) in sides.iter().enumerate().filter_map(|(side, best)| best.map(|best| (side, best))) {
            for index in 0..best.x.len() {
                const STEP: f64 = 1e-4;
                let of = |beliefs: &FactorPosterior| match side {
                    0 => beliefs.rows.clone(),
                    _ => beliefs.columns.clone().expect("columns"),
                };
                let bound = |step: f64| {
                    let mut changed = beliefs.clone();
                    let new = moved(&of(&beliefs[k]), index, step);
                    match side {
                        0 => changed[k].rows = new,
                        _ => changed[k].columns = Some(new),
                    }
                    at(changed).elbo
                };
                let difference = (bound(STEP) - bound(-STEP)) / (2.0 * STEP);
                let expected = slope(&of(&beliefs[k]), best, index);
                let apart = (difference - expected).abs();
                assert!(apart <= 1e-5 * (1.0 + expected.abs()), "{k} {side} {index}: {difference} {expected}");
            }
        }
    }
}

#[test]
fn the_best_problems_are_where_the_bound_has_no_slope() {
    let values = numbers(7 * 7, 3.0);
    let mirrored: Vec<f64> =
        (0..49).map(|index| values[(index % 7).max(index / 7) * 7 + (index % 7).min(index / 7)]).collect();
    let mut holes = values.clone();
    (0..49).step_by(4).for_each(|index| holes[index] = f64::NAN);
    for count in [1, 2] {
        slopes_are_differences(&Dense::new(MatRef::from_column_major_slice(&values[..35], 5, 7)), false, count, None);
        slopes_are_differences(
            &Masked::new(Dense::new(MatRef::from_column_major_slice(&holes, 7, 7))),
            false,
            count,
            None,
        );
        slopes_are_differences(&Dense::new(MatRef::from_column_major_slice(&mirrored, 7, 7)), true, count, None);
        let hollow = Masked::without_diagonal(Dense::new(MatRef::from_column_major_slice(&mirrored, 7, 7)));
        slopes_are_differences(&hollow, true, count, None);
        let uneven = |length| numbers(length, 9.0).iter().map(|s| 0.5 + s).collect::<Vec<f64>>();
        let scales = NoiseScales::outer(uneven(5), uneven(7)).expect("scales");
        let general = Dense::new(MatRef::from_column_major_slice(&values[..35], 5, 7));
        slopes_are_differences(&general, false, count, Some(&scales));
        let scales = NoiseScales::outer(uneven(7), uneven(7)).expect("scales");
        slopes_are_differences(&hollow, true, count, Some(&scales));
    }
}

/// Pairs of variances written out.
#[test]
fn the_spread_is_the_sum_of_variances() {
    let values = numbers(5 * 7, 3.0);
    let storage = Dense::new(MatRef::from_column_major_slice(&values, 5, 7));
    let view = ResidualView::new(&storage, &[], false);
    let (rows, columns) = (belief(5, 0.0), belief(7, 0.5));
    let mut spread = 0.0;
    for (mean, variance) in rows.mean.iter().zip(&rows.variance) {
        for (other, unsure) in columns.mean.iter().zip(&columns.variance) {
            spread += (variance + mean * mean) * (unsure + other * other) - (mean * other).powi(2);
        }
    }
    let beliefs = vec![FactorPosterior { rows, columns: Some(columns) }];
    let found = Target { view: &view, threads: Threads::new(1) }.standing(beliefs, NOISE).spread;
    assert!((found - spread).abs() <= 1e-13 * spread, "{found} {spread}");
}
