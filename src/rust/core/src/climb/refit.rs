//! All factors together, with one λ and σ.
//!
//! First the weights alone, whose problem is concave; then the loadings. Where the likelihood determines the factors, as
//! with groups that overlap, the climb settles within some tens of steps. Where it does not, as with the branches of a tree,
//! of which there are more than their covariance has dimensions, it would go on along a ridge for ever, and away from
//! anything with a meaning: then the flattest factors that it came by are kept.

use super::route::Route;
use super::{Climb, Rule};
use crate::fit::{Status, Trace};
use crate::flatness::mean_flatness;
use crate::maximise::{Fit, Free, Part};
use crate::noise::likelihood::Slopes;
use crate::noise::{Bounds, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::view::{Factor, View};

/// All factors, refitted.
pub struct Refit {
    /// The factors, in the order given.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub noise: Noise,
    /// What λ and σ were held within, where they were.
    pub bounds: Option<Bounds>,
    /// The log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
    /// The slopes of the log-likelihood in log λ and log σ.
    pub slopes: Slopes,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// Why the climb of the loadings ended.
    pub status: Status,
    /// Whether its end was taken; if not, the flattest factors that it came by were.
    pub settled: bool,
}

impl Climb<'_> {
    /// Refits factors that were found one by one, from where they stand. Of those that are `Free::Weight` the loadings stay.
    ///
    /// `view` is the matrix minus factors that are no part of this, and `noise` where λ and σ start.
    pub fn refit(&self, view: &View, parts: &[Part], noise: Noise, threads: Threads, observer: &mut Observer) -> Refit {
        let mut route = Route::new(view, self.tolerance, self.iterations, threads, observer);
        let bounds = match &self.rule {
            Rule::Likelihood(shares, _) => Some(route.bounds(shares)),
            Rule::Fixed(_) | Rule::Alternate(..) => None,
        };
        let weights: Vec<Part> = parts.iter().map(|part| Part { free: Free::Weight, ..part.clone() }).collect();
        let weighted = route.climb_all(&weights, noise, bounds, &mut |_| {});
        let parts = placed(&weighted, parts);
        let mut flattest = (mean_flatness(&weighted.factors), weighted.factors.clone());
        let mut watch = |factors: &[Factor]| {
            let flat = mean_flatness(factors);
            if flat > flattest.0 {
                flattest = (flat, factors.to_vec());
            }
        };
        let fit = route.climb_all(&parts, weighted.noise, bounds, &mut watch);
        let settled = fit.status == Status::Converged && count(&fit.factors) >= count(&weighted.factors);
        let (factors, fit, status) = if settled {
            (fit.factors.clone(), fit, Status::Converged)
        } else {
            let factors: Vec<Factor> = flattest.1.into_iter().map(Factor::normalised).collect();
            (factors.clone(), route.climb_noise(&factors, fit.noise, bounds), fit.status)
        };
        Refit {
            log_likelihood: fit.log_likelihood(),
            slopes: Slopes::new(&fit.sums, fit.noise),
            noise: fit.noise,
            bounds,
            trace: route.trace,
            factors,
            status,
            settled,
        }
    }
}

/// The parts, at the factors of a fit.
fn placed(fit: &Fit, parts: &[Part]) -> Vec<Part> {
    parts.iter().zip(&fit.factors).map(|(part, factor)| Part { factor: factor.clone(), ..*part }).collect()
}

/// The factors that are not null.
fn count(factors: &[Factor]) -> usize {
    factors.iter().filter(|factor| factor.d > 0.0).count()
}
