//! Joint refit of all factors with one λ and σ.
//!
//! If the likelihood determines the factors, as for overlapping groups, the optimizer converges within some tens of steps.
//! Otherwise, as for the branches of a tree, of which there are more than their covariance has dimensions, the likelihood is
//! flat along a ridge and the optimizer does not converge. Then the factors from before the refit are kept or, if these were
//! groups, the flattest factors that the optimizer passed through.

use crate::factor::{Factor, FreeFactor};
use crate::fit::{CandidateRefit, FitOptions, JointRefit, ModelFit};
use crate::flatness::{mean_flatness, MIN_GROUP_FLATNESS};
use crate::mle::context::MleFit;
use crate::mle::maximize::{no_callback, Optimum};
use crate::noise::{Bounds, ResidualParams};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::trace::Status;
use std::ops::ControlFlow;

/// Maximum number of steps: an optimizer that has not converged by then is on a ridge.
const MAX_STEPS: usize = 400;
/// Loss of flatness at which the refit is rejected on its way: flatness that is lost does not return.
const MAX_FLATNESS_LOSS: f64 = 0.03;
/// Loss of flatness that an accepted refit may have.
const FLATNESS_SLACK: f64 = 0.01;

/// Estimates the weights of factors whose loadings are given, with λ and σ by their estimator; their present weights do not
/// matter.
pub(crate) fn estimate_weights(
    options: &FitOptions,
    view: &ResidualView,
    factors: Vec<Factor>,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> Vec<Factor> {
    let mut fit = MleFit::new(view, options, threads, progress);
    let without_weight = |factor: Factor| FreeFactor::weight(Factor { d: 0.0, ..factor });
    let factors: Vec<FreeFactor> = factors.into_iter().map(without_weight).collect();
    let params = fit.initial_params;
    fit.optimize_with_estimator(&factors, params).factors
}

/// Estimates λ and σ, by their estimator, with all factors held.
pub fn estimate_noise(
    options: &FitOptions,
    view: &ResidualView,
    factors: Vec<Factor>,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> ModelFit {
    let rest = view.minus(&factors);
    let last = factors.len().saturating_sub(1);
    let mut report = |event: Progress| progress(event.in_stage(Stage::ResidualParams, last));
    let mut fit = MleFit::new(&rest, options, threads, &mut report);
    let params = fit.initial_params;
    let optimum = fit.optimize_with_estimator(&[], params);
    let bounds = fit.bounds;
    fit.take_fit(factors.clone(), &optimum, bounds)
}

impl MleFit<'_, '_, '_> {
    /// λ and σ for a refit of `factors` under priors, or where they are held: the starting values, updated by the estimator.
    pub(crate) fn refit_params(&self, factors: &[Factor]) -> ResidualParams {
        let estimator = &self.options.estimator;
        if estimator.is_joint() {
            return self.initial_params;
        }
        let stats = self.stats_after(factors);
        estimator.update(self.initial_params, &stats, self.bounds.as_ref()).unwrap_or(self.initial_params)
    }

    /// Refits factors from their present values; of those with a free weight alone, the loadings are held.
    ///
    /// `params` has starting values of λ and σ, if they are known.
    pub(crate) fn refit(&mut self, factors: &[FreeFactor], params: Option<ResidualParams>) -> JointRefit {
        self.stop.max_iterations = self.stop.max_iterations.min(MAX_STEPS);
        let bounds = self.joint_bounds();
        let before: Vec<Factor> = factors.iter().map(|free| free.factor.clone()).collect();
        let params = params.unwrap_or_else(|| match bounds {
            Some(bounds) => self.moderate_params(&before, &bounds),
            None => self.refit_params(&before),
        });
        let flatness_before = mean_flatness(&before);
        let are_groups = flatness_before >= MIN_GROUP_FLATNESS;
        let mut flattest = (flatness_before, before.clone());
        let mut on_step = |factors: &[Factor]| {
            // The shape of factors that are not groups carries no information.
            if !are_groups {
                return ControlFlow::Continue(());
            }
            let flatness = mean_flatness(factors);
            if flatness > flattest.0 {
                flattest = (flatness, factors.to_vec());
            }
            if flatness < flatness_before - MAX_FLATNESS_LOSS {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let objective = self.objective(self.context.view, factors, params, bounds);
        let optimum = self.optimize(objective, &mut on_step);
        let candidate = CandidateRefit { log_likelihood: optimum.log_likelihood(), factors: optimum.factors.clone() };
        let is_flat = !are_groups || mean_flatness(&optimum.factors) >= flatness_before - FLATNESS_SLACK;
        let kept_all = count_nonzero(&optimum.factors) >= count_nonzero(&before);
        let status = match optimum.status {
            Status::Converged if !(is_flat && kept_all) => Status::Rejected,
            status => status,
        };
        let accepted = status == Status::Converged;
        let (factors, optimum) =
            if accepted { (optimum.factors.clone(), optimum) } else { self.reweight(flattest.1, params, bounds) };
        let model = ModelFit { status, ..self.take_fit(factors, &optimum, bounds) };
        JointRefit { model, accepted, candidate }
    }

    /// Factors with maximum-likelihood weights, λ and σ; with their own weights if one would be zero otherwise.
    fn reweight(
        &mut self,
        factors: Vec<Factor>,
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> (Vec<Factor>, Optimum) {
        let factors: Vec<Factor> = factors.into_iter().map(Factor::normalised).collect();
        let free: Vec<FreeFactor> = factors.iter().cloned().map(FreeFactor::weight).collect();
        let params = bounds.map_or(params, |bounds| self.moderate_params(&factors, &bounds));
        let objective = self.objective(self.context.view, &free, params, bounds);
        let optimum = self.optimize(objective, &mut no_callback);
        if count_nonzero(&optimum.factors) == count_nonzero(&factors) {
            return (optimum.factors.clone(), optimum);
        }
        let optimum = self.estimate_noise(&factors, params, bounds);
        (factors, optimum)
    }
}

/// The number of factors that are not null.
pub(crate) fn count_nonzero(factors: &[Factor]) -> usize {
    factors.iter().filter(|factor| factor.d > 0.0).count()
}
