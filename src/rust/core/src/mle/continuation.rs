//! A ladder of least ratios `λσ`.
//!
//! With a small ratio the loss is nearly linear below the data, and a factor keeps below them wherever it can, at the cost
//! of its shape; with a ratio of 2 or more it is nearly quadratic, and a factor goes through the middle of the data. Groups
//! that overlap want the one and nested groups, as in a tree, the other. Neither the likelihood nor the size of the factor
//! tells which, but the shape does: a mixture of groups is less flat than a group.

use crate::fit::FactorFit;
use crate::flatness::flatness;
use crate::init::InitialLoadings;
use crate::mle::maximize::Fit;
use crate::mle::rank_one::FitContext;
use crate::noise::{Bounds, ResidualParams};
use crate::pass::PassStats;
use crate::runtime::cancel::{cancel, catch_cancellation};
use crate::trace::Status;

/// The EM steps before the ladder: few, since λ and σ are free on it.
const EM_STEPS: usize = 10;

impl FitContext<'_, '_, '_> {
    /// Climbs with each least ratio in turn, from where the one before ended, and keeps the flattest of the ends; λ and σ
    /// are then estimated anew, without a least ratio. Without a ladder there is one climb, with all free.
    ///
    /// With a small ratio `b` may explain all there is; the next climb then begins at the start itself.
    pub(crate) fn fit_continuation(
        mut self,
        start: &InitialLoadings,
        ratio_floors: &[f64],
        bounds: Bounds,
    ) -> FactorFit {
        let mut params = self.initial_params(&bounds);
        let mut factor = self.em_steps(start, params, EM_STEPS);
        let mut sums = self.sums(&factor);
        let mut best: Option<Best> = None;
        let mut ends = Vec::with_capacity(ratio_floors.len());
        let mut interrupted = false;
        for &ratio_floor in ratio_floors {
            let climbed = catch_cancellation(|| {
                if factor.d == 0.0 {
                    factor = self.least_squares_factor(start);
                    sums = self.sums(&factor);
                }
                self.climb(&factor, suited(params, &sums, ratio_floor), Some(bounds.with_min_ratio(ratio_floor)))
            });
            interrupted = climbed.as_ref().is_none_or(|fit| fit.status == Status::Interrupted);
            if let Some(fit) = climbed {
                (factor, params, sums) = (fit.only(), fit.params, fit.sums);
                let flatness = flatness(&factor);
                ends.push(factor.clone());
                if best.as_ref().is_none_or(|best| flatness > best.flatness) {
                    best = Some(Best { flatness, ratio_floor, fit });
                }
            }
            if interrupted {
                break;
            }
        }
        let Some(Best { ratio_floor, fit: best, .. }) = best else {
            if interrupted {
                cancel();
            }
            let fit = self.climb(&factor, params, Some(bounds));
            return self.end(fit.only(), &fit, Some(bounds));
        };
        let free = if interrupted {
            None
        } else {
            catch_cancellation(|| self.estimate_noise(&best.factors, best.params, Some(bounds)))
        };
        let Some(fit) = free else {
            let found = self.end(best.only(), &best, Some(bounds));
            return FactorFit { ratio_floor: Some(ratio_floor), ends, status: Status::Interrupted, ..found };
        };
        let found = self.end(best.only(), &fit, Some(bounds));
        let accepted = best.status == Status::Converged || fit.status == Status::Interrupted;
        FactorFit {
            ratio_floor: Some(ratio_floor),
            ends,
            status: if accepted { found.status } else { best.status },
            ..found
        }
    }
}

/// The flattest end so far.
struct Best {
    flatness: f64,
    ratio_floor: f64,
    fit: Fit,
}

/// λ and σ with at least the ratio asked for: as they are, or, with that ratio, such that they give the residual its mean
/// square.
fn suited(params: ResidualParams, sums: &PassStats, ratio_floor: f64) -> ResidualParams {
    if params.lambda * params.sigma >= ratio_floor {
        return params;
    }
    let square = sums.residual_variance() + sums.residual_mean().powi(2);
    let sigma = (square / (1.0 + 1.0 / (ratio_floor * ratio_floor))).sqrt();
    ResidualParams { lambda: ratio_floor / sigma, sigma }
}
