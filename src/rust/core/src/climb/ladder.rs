//! A ladder of least ratios `λσ`.
//!
//! With a small ratio the loss is nearly linear below the data, and a factor keeps below them wherever it can, at the cost
//! of its shape; with a ratio of 2 or more it is nearly quadratic, and a factor goes through the middle of the data. Groups
//! that overlap want the one and nested groups, as in a tree, the other. Neither the likelihood nor the size of the factor
//! tells which, but the shape does: a mixture of groups is less flat than a group.

use super::route::Route;
use crate::cancel::{attempt, give_up};
use crate::fit::{FactorFit, Status};
use crate::flatness::flatness;
use crate::maximise::Fit;
use crate::noise::{Bounds, Noise};
use crate::pass::Sums;
use crate::start::Start;

/// The EM steps before the ladder: few, since λ and σ are free on it.
const EM_STEPS: usize = 10;

impl Route<'_, '_, '_> {
    /// Climbs with each least ratio in turn, from where the one before ended, and keeps the flattest of the ends; λ and σ
    /// are then estimated anew, without a least ratio. Without a ladder there is one climb, with all free.
    ///
    /// With a small ratio `b` may explain all there is; the next climb then begins at the start itself.
    pub(super) fn up_the_ladder(mut self, start: &Start, ladder: &[f64], bounds: Bounds) -> FactorFit {
        let mut noise = self.first_noise(&bounds);
        let mut factor = self.em_steps(start, noise, EM_STEPS);
        let mut sums = self.sums(&factor);
        let mut best: Option<Best> = None;
        let mut ends = Vec::with_capacity(ladder.len());
        let mut interrupted = false;
        for &rung in ladder {
            let climbed = attempt(|| {
                if factor.d == 0.0 {
                    factor = self.bare(start);
                    sums = self.sums(&factor);
                }
                self.climb(&factor, suited(noise, &sums, rung), Some(bounds.at_least(rung)))
            });
            interrupted = climbed.as_ref().is_none_or(|fit| fit.status == Status::Interrupted);
            if let Some(fit) = climbed {
                (factor, noise, sums) = (fit.only(), fit.noise, fit.sums);
                let flatness = flatness(&factor);
                ends.push(factor.clone());
                if best.as_ref().is_none_or(|best| flatness > best.flatness) {
                    best = Some(Best { flatness, rung, fit });
                }
            }
            if interrupted {
                break;
            }
        }
        let Some(Best { rung, fit: best, .. }) = best else {
            if interrupted {
                give_up();
            }
            let fit = self.climb(&factor, noise, Some(bounds));
            return self.end(fit.only(), &fit, Some(bounds));
        };
        let free =
            if interrupted { None } else { attempt(|| self.climb_noise(&best.factors, best.noise, Some(bounds))) };
        let Some(fit) = free else {
            let found = self.end(best.only(), &best, Some(bounds));
            return FactorFit { rung: Some(rung), ends, status: Status::Interrupted, ..found };
        };
        let found = self.end(best.only(), &fit, Some(bounds));
        let settled = best.status == Status::Converged || fit.status == Status::Interrupted;
        FactorFit { rung: Some(rung), ends, status: if settled { found.status } else { best.status }, ..found }
    }
}

/// The flattest end so far.
struct Best {
    flatness: f64,
    rung: f64,
    fit: Fit,
}

/// λ and σ with at least the ratio asked for: as they are, or, with that ratio, such that they give the residual its mean
/// square.
fn suited(noise: Noise, sums: &Sums, rung: f64) -> Noise {
    if noise.lambda * noise.sigma >= rung {
        return noise;
    }
    let square = sums.residual_variance() + sums.residual_mean().powi(2);
    let sigma = (square / (1.0 + 1.0 / (rung * rung))).sqrt();
    Noise { lambda: rung / sigma, sigma }
}
