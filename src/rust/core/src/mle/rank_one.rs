//! One factor by maximum likelihood: a few EM steps, then continuation over lower bounds on `λσ`.
//!
//! With a small ratio `λσ` the loss is nearly linear below the data, and a factor stays below them wherever it can, at the cost
//! of its shape. With a ratio of 2 or more the loss is nearly quadratic, and a factor goes through the middle of the data.
//! Overlapping groups need the former and nested groups, as in a tree, the latter. Neither the likelihood nor the size of the
//! factor tells which is right, but its shape does: a mixture of groups is less flat than a group.

use crate::factor::{Factor, FreeFactor};
use crate::fit::FactorFit;
use crate::init::InitialLoadings;
use crate::mle::context::{residual_stats, MleFit};
use crate::mle::maximize::Optimum;
use crate::noise::{Bounds, ResidualParams};
use crate::pass::PassStats;
use crate::runtime::cancel::{cancel, catch_cancellation};
use crate::trace::Status;

/// EM steps at the start.
const EM_STEPS: usize = 30;
/// EM steps if λ and σ are maximized jointly afterwards: fewer, since these are free from there on.
const EM_STEPS_JOINT: usize = 10;

/// The flattest solution so far.
struct Flattest {
    flatness: f64,
    ratio_floor: f64,
    optimum: Optimum,
}

impl MleFit<'_, '_, '_> {
    /// Fits one factor. Without lower bounds on `λσ`, λ and σ follow their estimator. With such bounds, one optimization starts
    /// under each from the solution under the bound before; the flattest solution is kept, and λ and σ are estimated once more
    /// without a lower bound.
    ///
    /// Under a small bound the remainder may explain everything; the next optimization then starts from the initial loadings.
    pub(crate) fn fit_rank_one(&mut self, init: &InitialLoadings) -> FactorFit {
        let estimator = &self.options.estimator;
        let mut params = self.initial_params;
        let mut factor = self.em_steps(init, params, if estimator.is_joint() { EM_STEPS_JOINT } else { EM_STEPS });
        // Without a remainder there is no ratio λσ.
        let is_single = estimator.ratio_floors().is_empty() || self.context.view.has_no_remainder();
        let (Some(bounds), false) = (self.joint_bounds(), is_single) else {
            let optimum = self.optimize_with_estimator(&[FreeFactor::loadings(factor)], params);
            return self.factor_fit(&optimum, &optimum, self.bounds);
        };
        let (view, threads) = (self.context.view, self.context.threads);
        let mut stats = residual_stats(view, &factor, threads);
        let mut flattest: Option<Flattest> = None;
        let mut path = Vec::with_capacity(estimator.ratio_floors().len());
        let mut interrupted = false;
        for &ratio_floor in estimator.ratio_floors() {
            let found = catch_cancellation(|| {
                if factor.d == 0.0 {
                    factor = init.least_squares_factor(view, threads);
                    stats = residual_stats(view, &factor, threads);
                }
                let start = [FreeFactor::loadings(factor.clone())];
                let start_params = with_ratio_floor(params, &stats, ratio_floor);
                let objective = self.objective(view, &start, start_params, Some(bounds.with_min_ratio(ratio_floor)));
                self.optimize(objective)
            });
            interrupted = found.as_ref().is_none_or(|optimum| optimum.status == Status::Interrupted);
            if let Some(optimum) = found {
                (factor, params, stats) = (optimum.only_factor(), optimum.params, optimum.stats);
                let flatness = flatness(&factor);
                path.push(factor.clone());
                if flattest.as_ref().is_none_or(|flattest| flatness > flattest.flatness) {
                    flattest = Some(Flattest { flatness, ratio_floor, optimum });
                }
            }
            if interrupted {
                break;
            }
        }
        // An interrupt before the first solution leaves nothing to return.
        let Some(Flattest { ratio_floor, optimum: best, .. }) = flattest else { cancel() };
        let free = if interrupted {
            None
        } else {
            catch_cancellation(|| self.estimate_noise(&best.factors, best.params, Some(bounds)))
        };
        let mut fit = self.factor_fit(&best, free.as_ref().unwrap_or(&best), Some(bounds));
        match free {
            None => fit.model.status = Status::Interrupted,
            Some(free) if best.status != Status::Converged && free.status != Status::Interrupted => {
                fit.model.status = best.status;
            }
            Some(_) => {}
        }
        FactorFit { ratio_floor: Some(ratio_floor), path, ..fit }
    }

    /// The factor of one optimum with λ and σ of another.
    fn factor_fit(&mut self, factor: &Optimum, noise: &Optimum, bounds: Option<Bounds>) -> FactorFit {
        let mut model = self.take_fit(vec![factor.only_factor()], noise, bounds);
        if model.status == Status::Converged && model.factors[0].d == 0.0 {
            model.status = Status::Null;
        }
        FactorFit { model, ratio_floor: None, path: Vec::new() }
    }
}

/// λ and σ with at least the ratio asked for: unchanged, or with that ratio and the mean square of the residual.
pub(crate) fn with_ratio_floor(params: ResidualParams, stats: &PassStats, ratio_floor: f64) -> ResidualParams {
    if params.lambda * params.sigma >= ratio_floor {
        return params;
    }
    let mean_square = stats.residual_variance() + stats.residual_mean().powi(2);
    let sigma = (mean_square / (1.0 + 1.0 / (ratio_floor * ratio_floor))).sqrt();
    ResidualParams { lambda: ratio_floor / sigma, sigma }
}

/// Flatness of a factor, its similarity to a group of rows with equal loadings: the largest squared cosine between the loadings and
/// the indicator of any set of them, between 0 and 1; for a general matrix, the geometric mean of both sides. Zero loadings have
/// flatness 0.
fn flatness(factor: &Factor) -> f64 {
    match &factor.v {
        None => loading_flatness(factor.u()),
        Some(_) => (loading_flatness(factor.u()) * loading_flatness(factor.v())).sqrt(),
    }
}

/// The best set consists of the largest loadings, so a scan in decreasing order finds it.
fn loading_flatness(loadings: &[f64]) -> f64 {
    let square: f64 = loadings.iter().map(|loading| loading * loading).sum();
    let mut sorted = loadings.to_vec();
    sorted.sort_by(|x, y| y.total_cmp(x));
    let (mut sum, mut best) = (0.0, 0.0_f64);
    for (index, loading) in sorted.iter().enumerate() {
        sum += loading;
        best = best.max(sum * sum / (index + 1) as f64);
    }
    if square > 0.0 {
        best / square
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::loading_flatness;

    #[test]
    fn groups_are_flat() {
        assert_eq!(loading_flatness(&[0.0, 2.0, 2.0, 0.0, 2.0]), 1.0);
        assert_eq!(loading_flatness(&[0.0, 0.0]), 0.0);
        // The best of {2}, {2, 1}, {2, 1, 1}: 4/6, 9/12, 16/18.
        assert!((loading_flatness(&[1.0, 2.0, 1.0]) - 16.0 / 18.0).abs() < 1e-15);
    }
}
