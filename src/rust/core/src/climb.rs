//! One factor by maximum likelihood, from its own start.
//!
//! From below: a few EM steps from the truncated leading singular pair with a small σ, as for an underapproximation, lead
//! to the hill that EM would climb; from there the loadings climb with λ and σ held, and then all together.

use crate::em;
use crate::fit::{FactorFit, FitFactor, Status, Trace};
use crate::noise::likelihood::Slopes;
use crate::noise::{Bounds, Estimator, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::pass::{product, sweep, Depth, Model, Question, Sums};
use crate::rank_one::{self, Settings};
use crate::start::{leading_start, Start};
use crate::vector::dot;
use crate::view::{Factor, View};

/// How λ and σ are found.
pub enum Rule<'a> {
    /// They are given.
    Fixed(Noise),
    /// They climb the likelihood together with the loadings.
    Likelihood,
    /// Another rule takes turns with the loadings.
    Alternate(&'a dyn Estimator),
}

/// The settings of a climb.
pub struct Climb<'a> {
    /// How λ and σ are found.
    pub rule: Rule<'a>,
    /// The least σ, as a share of the standard deviation of the factor's initial residual.
    pub floor: f64,
    /// The largest `λσ`.
    pub cap: f64,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations of a climb.
    pub iterations: usize,
}

/// The least σ, in units in which the matrix has a root mean square near 1.
const LEAST_SIGMA: f64 = 1e-8;
/// σ at the start, as a share of the standard deviation of the initial residual.
const FIRST_SIGMA: f64 = 0.1;
/// The EM steps at the start.
const EM_STEPS: usize = 30;
/// The most turns of a rule that alternates.
const MOST_TURNS: usize = 50;
/// A relative change of λ and σ that ends the turns.
const SAME_NOISE: f64 = 1e-8;

impl FitFactor for Climb<'_> {
    fn fit(&self, view: &View, threads: Threads, observer: &mut Observer) -> FactorFit {
        let start = leading_start(view, threads);
        let initial = initial_sums(view, &start, threads);
        let sd = initial.residual_variance().sqrt();
        let bounds = Bounds { sigma: (self.floor * sd).max(LEAST_SIGMA), lambda_sigma: self.cap };
        // What is negative on average can only be noise.
        let mean = initial.residual_mean();
        let sigma = FIRST_SIGMA * sd.hypot(mean.min(0.0));
        let first = bounds.clamp(Noise { lambda: 1.0 / mean.max(0.0), sigma });
        let (noise, bounds) = match self.rule {
            Rule::Fixed(noise) => (noise, None),
            _ => (first, Some(bounds)),
        };
        let factor = em_steps(view, start, noise, threads, observer);
        self.climb(view, factor, noise, bounds, threads, observer)
    }
}

impl Climb<'_> {
    /// Climbs with λ and σ held, and then as the rule says.
    fn climb(
        &self,
        view: &View,
        factor: Factor,
        noise: Noise,
        bounds: Option<Bounds>,
        threads: Threads,
        observer: &mut Observer,
    ) -> FactorFit {
        let mut run = |factor: &Factor, noise: Noise, bounds: Option<Bounds>| {
            let settings = Settings { bounds, tolerance: self.tolerance, iterations: self.iterations };
            rank_one::maximise(view, factor, noise, &settings, threads, observer)
        };
        let mut fit = run(&factor, noise, None);
        let mut trace: Vec<Trace> = fit.trace.drain(..).collect();
        let mut known = true;
        match (&self.rule, bounds) {
            (Rule::Likelihood, Some(bounds)) if fit.status != Status::Interrupted => {
                fit = run(&fit.factor, fit.noise, Some(bounds));
                trace.append(&mut fit.trace);
            }
            (Rule::Alternate(estimator), Some(bounds)) => {
                for turn in 1..=MOST_TURNS {
                    let Some(noise) = estimator.estimate(&fit.sums, &bounds) else {
                        known = false;
                        break;
                    };
                    let same = same_noise(noise, fit.noise);
                    if same || fit.status == Status::Interrupted {
                        break;
                    }
                    fit = run(&fit.factor, noise, None);
                    trace.append(&mut fit.trace);
                    if turn == MOST_TURNS {
                        fit.status = Status::Maxiter;
                    }
                }
            }
            _ => {}
        }
        let null = fit.factor.d == 0.0;
        FactorFit {
            log_likelihood: fit.log_likelihood(),
            count: fit.sums.count,
            slopes: Some(Slopes::new(&fit.sums, fit.noise)),
            noise: fit.noise,
            bounds,
            status: match fit.status {
                _ if !known => Status::Noise,
                Status::Converged if null => Status::Null,
                status => status,
            },
            factor: fit.factor,
            trace,
        }
    }
}

fn same_noise(one: Noise, other: Noise) -> bool {
    let close = |x: f64, y: f64| (x - y).abs() <= SAME_NOISE * y.abs();
    close(one.lambda, other.lambda) && close(one.sigma, other.sigma)
}

/// The sums over the view before anything is taken out: its mean and variance are those of its entries.
fn initial_sums(view: &View, start: &Start, threads: Threads) -> Sums {
    let nothing = Factor { d: 0.0, u: start.u.clone(), v: (!view.is_symmetric()).then(|| start.v.clone()) };
    let ask = |shift: f64| {
        let question = Question { row_weights: &start.u, column_weights: &start.v, shift, depth: Depth::Expectation };
        sweep(view, Model { factor: &nothing, noise: Noise { lambda: 1.0, sigma: 1.0 } }, &question, threads).sums
    };
    // Once for the mean and once about it, so that a small variance about a large mean keeps its digits.
    ask(ask(0.0).residual_mean())
}

/// The factor after a few EM steps. Where entries are missing EM's products would take them for zeros, so the start
/// itself is the answer.
fn em_steps(view: &View, start: Start, noise: Noise, threads: Threads, observer: &mut Observer) -> Factor {
    let factor = if view.has_missing() {
        let d = dot(&start.u, &product(view, &start.u, &start.v, threads).rows);
        Factor { d, u: start.u, v: (!view.is_symmetric()).then_some(start.v) }
    } else {
        let settings =
            em::Settings { noise, estimator: None, rounds: 1, iterations: EM_STEPS, tolerance: 0.0, trace: false };
        em::iterate(view, start, &settings, threads, observer).factor
    };
    Factor { d: factor.d.max(0.0), ..factor }
}
