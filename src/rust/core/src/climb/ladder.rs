//! A ladder of least ratios `λσ`.
//!
//! With a small ratio the loss is nearly linear below the data, and a factor keeps below them wherever it can, at the cost
//! of its shape; with a ratio of 2 or more it is nearly quadratic, and a factor goes through the middle of the data. Groups
//! that overlap want the one and nested groups, as in a tree, the other. Neither the likelihood nor the size of the factor
//! tells which, but the shape does: a mixture of groups is less flat than a group.

use super::route::Route;
use crate::fit::{FactorFit, Status};
use crate::flatness::flatness;
use crate::noise::{Bounds, Noise};
use crate::pass::Sums;
use crate::start::Start;
use crate::view::Factor;

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
        for &rung in ladder {
            if factor.d == 0.0 {
                factor = self.bare(start);
                sums = self.sums(&factor);
            }
            let rungs = bounds.at_least(rung);
            let fit = self.climb(&factor, suited(noise, &sums, rung), Some(rungs));
            (factor, noise, sums) = (fit.only(), fit.noise, fit.sums);
            let flat = flatness(&factor);
            ends.push(factor.clone());
            if best.as_ref().is_none_or(|best| flat > best.flatness) {
                best = Some(Best { flatness: flat, rung, factor: factor.clone(), noise, status: fit.status });
            }
            if fit.status == Status::Interrupted {
                break;
            }
        }
        let Some(Best { rung, factor, noise, status, .. }) = best else {
            let fit = self.climb(&factor, noise, Some(bounds));
            return self.end(fit.only(), &fit, Some(bounds));
        };
        let fit = self.climb_noise(std::slice::from_ref(&factor), noise, Some(bounds));
        let found = self.end(factor, &fit, Some(bounds));
        let settled = status == Status::Converged || fit.status == Status::Interrupted;
        FactorFit { rung: Some(rung), ends, status: if settled { found.status } else { status }, ..found }
    }
}

/// The flattest end so far.
struct Best {
    flatness: f64,
    rung: f64,
    factor: Factor,
    noise: Noise,
    status: Status,
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
