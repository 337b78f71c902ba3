//! The stages that a factor's way up is made of.

use super::Climb;
use crate::cancel::attempt;
use crate::em;
use crate::estimate::likelihood::Slopes;
use crate::estimate::{Estimator, LawFamily};
use crate::fit::{FactorFit, Status, Trace};
use crate::maximise::{unwatched, Fit, Hill, Settings, Watch};
use crate::noise::{Bounds, Noise, Scales, Scatter, Shares};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::part::Part;
use crate::pass::{product, sweep, Depth, Model, Question, Sums};
use crate::start::Start;
use crate::vector::dot;
use crate::view::{Factor, View};
use std::borrow::Cow;

/// The least σ, in units in which the matrix has a root mean square near 1.
const LEAST_SIGMA: f64 = 1e-8;
/// σ at the start, as a share of the standard deviation of the initial residual.
const FIRST_SIGMA: f64 = 0.1;
/// The most that a factor of a symmetric matrix may say of any entry, in units of the largest entry that counts. Without
/// its diagonal, one row alone fits such a matrix the better the larger its loading: a Heywood case without end.
const MOST_SHARE: f64 = 4.0;
/// The most turns of a rule that alternates.
const MOST_TURNS: usize = 50;
/// A relative change of λ and σ that ends the turns.
const SAME_NOISE: f64 = 1e-8;

/// One factor on its way up.
pub(super) struct Route<'a, 'b, 'c> {
    pub(super) view: &'a View<'a>,
    /// What is known of the law of the remainder.
    pub(super) family: &'a LawFamily,
    /// The weights that the last climb found of it.
    pub(super) weights: Vec<f64>,
    /// What is known of the noise of entries.
    pub(super) scatter: &'a Scatter,
    /// What the last climb found of it.
    pub(super) scales: Option<Cow<'a, Scales>>,
    /// What all climbs have in common; each brings its own bounds.
    settings: Settings,
    /// The sums over the view before the factor is taken out: its mean and variance are those of its entries.
    initial: Sums,
    pub(super) threads: Threads,
    pub(super) observer: &'b mut Observer<'c>,
    pub(super) trace: Vec<Trace>,
    stage: usize,
}

impl<'a, 'b, 'c> Route<'a, 'b, 'c> {
    pub(super) fn new(view: &'a View<'a>, climb: &'a Climb, threads: Threads, observer: &'b mut Observer<'c>) -> Self {
        let Climb { family, scatter, .. } = climb;
        let initial = residual_sums(view, &Factor::zero(view), threads);
        let largest = if view.is_symmetric() { (MOST_SHARE * initial.maximum.max(0.0)).sqrt() } else { f64::INFINITY };
        Self {
            view,
            family,
            weights: family.first(),
            scatter,
            scales: scatter.first(view),
            settings: Settings { largest, ..climb.settings() },
            initial,
            threads,
            observer,
            trace: Vec::new(),
            stage: 0,
        }
    }

    /// Ends every climb after at most so many iterations.
    pub(super) fn limit(&mut self, iterations: usize) {
        self.settings.iterations = self.settings.iterations.min(iterations);
    }

    /// The standard deviations of the noise of rows, or columns, in units of σ, where they were estimated.
    pub(super) fn deviations(&self) -> Option<Vec<f64>> {
        self.scatter.deviations(self.view, self.scales.as_deref())
    }

    /// What λ and σ of this factor are held within.
    pub(super) fn bounds(&self, shares: &Shares) -> Bounds {
        shares.bounds(self.initial.residual_variance().sqrt(), LEAST_SIGMA)
    }

    /// λ = 1/mean and a small σ.
    pub(super) fn first_noise(&self, bounds: &Bounds) -> Noise {
        bounds.clamp(moment_noise(&self.initial, FIRST_SIGMA))
    }

    /// The sums over what a factor leaves.
    pub(super) fn sums(&self, factor: &Factor) -> Sums {
        residual_sums(self.view, factor, self.threads)
    }

    /// The start as a factor, its weight by least squares.
    pub(super) fn bare(&self, start: &Start) -> Factor {
        let d = dot(&start.u, &product(self.view, &start.u, &start.v, self.threads).rows).max(0.0);
        Factor { d, u: start.u.clone(), v: (!self.view.is_symmetric()).then(|| start.v.clone()) }
    }

    /// The factor after a few EM steps.
    pub(super) fn em_steps(&mut self, start: &Start, noise: Noise, iterations: usize) -> Factor {
        let settings = em::Settings { noise, estimator: None, rounds: 1, iterations, tolerance: 0.0, trace: false };
        let factor = em::iterate(self.view, Some(start.clone()), &settings, self.threads, self.observer).factor;
        Factor { d: factor.d.max(0.0), ..factor }
    }

    /// Climbs in the loadings and, where there are bounds, in λ and σ.
    pub(super) fn climb(&mut self, factor: &Factor, noise: Noise, bounds: Option<Bounds>) -> Fit {
        self.climb_all(&[Part::loadings(factor.clone())], noise, bounds, &mut unwatched)
    }

    /// Climbs with all the factors given, which are shown to `watch` after every step.
    pub(super) fn climb_all(&mut self, parts: &[Part], noise: Noise, bounds: Option<Bounds>, watch: &mut Watch) -> Fit {
        self.maximise(self.hill(self.view, parts, noise, bounds), watch)
    }

    /// Climbs in λ and σ alone, where there are bounds.
    pub(super) fn climb_noise(&mut self, factors: &[Factor], noise: Noise, bounds: Option<Bounds>) -> Fit {
        let rest = self.view.minus(factors);
        self.maximise(self.hill(&rest, &[], noise, bounds), &mut unwatched)
    }

    fn hill<'h>(&self, view: &'h View<'h>, parts: &'h [Part], noise: Noise, bounds: Option<Bounds>) -> Hill<'h> {
        Hill { view, parts, noise, settings: Settings { bounds, ..self.settings }, threads: self.threads }
    }

    fn maximise(&mut self, hill: Hill, watch: &mut Watch) -> Fit {
        let mut fit = self.climb_in_turns(hill, watch);
        self.stage += 1;
        self.trace.extend(fit.trace.drain(..).map(|row| Trace { stage: self.stage, ..row }));
        fit
    }

    /// Climbs with λ and σ held, and then estimates them, until they no longer change.
    pub(super) fn take_turns(
        &mut self,
        parts: &[Part],
        noise: Noise,
        estimator: &dyn Estimator,
        bounds: &Bounds,
    ) -> Fit {
        let mut fit = self.climb_all(parts, noise, None, &mut unwatched);
        for _ in 0..MOST_TURNS {
            let Some(noise) = estimator.estimate(&fit.sums, bounds) else {
                return Fit { status: Status::Noise, ..fit };
            };
            if same_noise(noise, fit.noise) || fit.status == Status::Interrupted {
                return fit;
            }
            let parts = fit.parts(parts);
            match attempt(|| self.climb_all(&parts, noise, None, &mut unwatched)) {
                Some(next) => fit = next,
                None => fit.status = Status::Interrupted,
            }
        }
        Fit { status: Status::Maxiter, ..fit }
    }

    /// What was found.
    pub(super) fn end(self, factor: Factor, fit: &Fit, bounds: Option<Bounds>) -> FactorFit {
        FactorFit {
            log_likelihood: fit.log_likelihood(),
            count: fit.sums.count,
            ends: Vec::new(),
            beliefs: None,
            spread: 0.0,
            slopes: Some(Slopes::new(&fit.sums, fit.noise)),
            noise: fit.noise,
            law: fit.law,
            deviations: self.deviations(),
            bounds,
            rung: None,
            status: if fit.status == Status::Converged && factor.d == 0.0 { Status::Null } else { fit.status },
            factor,
            trace: self.trace,
        }
    }
}

fn same_noise(one: Noise, other: Noise) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= SAME_NOISE * y.abs();
    close(one.lambda, other.lambda) && close(one.sigma, other.sigma)
}

/// λ = 1/mean and σ a share of the residual's spread: what is negative on average can only be noise.
pub(super) fn moment_noise(sums: &Sums, share: f64) -> Noise {
    let (mean, sd) = (sums.residual_mean(), sums.residual_variance().sqrt());
    Noise { lambda: 1.0 / mean.max(0.0), sigma: share * sd.hypot(mean.min(0.0)) }
}

/// The sums over what a factor leaves of a view, for the moments of the residual.
pub(super) fn residual_sums(view: &View, factor: &Factor, threads: Threads) -> Sums {
    let ask = |shift: f64| {
        let question =
            Question { row_weights: &factor.u, column_weights: factor.v(), shift, depth: Depth::Expectation };
        sweep(view, Model { factor, noise: Noise { lambda: 1.0, sigma: 1.0 } }, &question, threads).sums
    };
    // Once for the mean and once about it, so that a small variance about a large mean keeps its digits.
    ask(ask(0.0).residual_mean())
}
