//! One factor by maximum likelihood, from its own start.
//!
//! From below: a few EM steps from the truncated leading singular pair with a small σ, as for an underapproximation, lead
//! to the hill that EM would climb; from there the loadings climb with λ and σ held, and then all together.

use crate::em;
use crate::fit::{FactorFit, FitFactor, Status, Trace};
use crate::maximise::{maximise, Free, Part, Settings};
use crate::noise::likelihood::Slopes;
use crate::noise::{Bounds, Estimator, Noise, Shares};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::pass::{sweep, Depth, Model, Question, Sums};
use crate::start::{leading_start, Start};
use crate::view::{Factor, View};

/// How λ and σ are found.
pub enum Rule<'a> {
    /// They are given.
    Fixed(Noise),
    /// They climb the likelihood together with the loadings, within bounds.
    Likelihood(Shares),
    /// Another rule takes turns with the loadings, within bounds.
    Alternate(&'a dyn Estimator, Shares),
}

/// The settings of a climb.
pub struct Climb<'a> {
    /// How λ and σ are found.
    pub rule: Rule<'a>,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations of a climb.
    pub iterations: usize,
}

/// The least σ, in units in which the matrix has a root mean square near 1.
const LEAST_SIGMA: f64 = 1e-8;
/// σ at the start, as a share of the standard deviation of the initial residual.
const FIRST_SIGMA: f64 = 0.1;
/// The most that a factor of a symmetric matrix may say of any entry, in units of the largest entry that counts. Without
/// its diagonal, one row alone fits such a matrix the better the larger its loading: a Heywood case without end.
const MOST_SHARE: f64 = 4.0;
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
        let mean = initial.residual_mean();
        let (noise, bounds) = match &self.rule {
            Rule::Fixed(noise) => (*noise, None),
            Rule::Likelihood(shares) | Rule::Alternate(_, shares) => {
                let bounds = shares.bounds(sd, LEAST_SIGMA);
                // What is negative on average can only be noise.
                let sigma = FIRST_SIGMA * sd.hypot(mean.min(0.0));
                (bounds.clamp(Noise { lambda: 1.0 / mean.max(0.0), sigma }), Some(bounds))
            }
        };
        let largest = if view.is_symmetric() { (MOST_SHARE * initial.maximum.max(0.0)).sqrt() } else { f64::INFINITY };
        let factor = em_steps(view, start, noise, threads, observer);
        let settings = Settings { bounds, largest, tolerance: self.tolerance, iterations: self.iterations };
        self.climb(view, factor, noise, settings, threads, observer)
    }
}

impl Climb<'_> {
    /// Climbs with λ and σ held, and then as the rule says.
    fn climb(
        &self,
        view: &View,
        factor: Factor,
        noise: Noise,
        settings: Settings,
        threads: Threads,
        observer: &mut Observer,
    ) -> FactorFit {
        let bounds = settings.bounds;
        let mut run = |factor: &Factor, noise: Noise, bounds: Option<Bounds>| {
            let settings = Settings { bounds, ..settings };
            maximise(
                view,
                &[Part { factor: factor.clone(), free: Free::Loadings }],
                noise,
                &settings,
                threads,
                observer,
            )
        };
        let mut fit = run(&factor, noise, None);
        let mut trace: Vec<Trace> = fit.trace.drain(..).collect();
        let mut known = true;
        match (&self.rule, bounds) {
            (Rule::Likelihood(_), Some(bounds)) if fit.status != Status::Interrupted => {
                fit = run(&fit.factors[0], fit.noise, Some(bounds));
                trace.append(&mut fit.trace);
            }
            (Rule::Alternate(estimator, _), Some(bounds)) => {
                for turn in 1..=MOST_TURNS {
                    let Some(noise) = estimator.estimate(&fit.sums, &bounds) else {
                        known = false;
                        break;
                    };
                    let same = same_noise(noise, fit.noise);
                    if same || fit.status == Status::Interrupted {
                        break;
                    }
                    fit = run(&fit.factors[0], noise, None);
                    trace.append(&mut fit.trace);
                    if turn == MOST_TURNS {
                        fit.status = Status::Maxiter;
                    }
                }
            }
            _ => {}
        }
        let null = fit.factors[0].d == 0.0;
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
            factor: fit.factors.swap_remove(0),
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

/// The factor after a few EM steps.
fn em_steps(view: &View, start: Start, noise: Noise, threads: Threads, observer: &mut Observer) -> Factor {
    let settings =
        em::Settings { noise, estimator: None, rounds: 1, iterations: EM_STEPS, tolerance: 0.0, trace: false };
    let factor = em::iterate(view, start, &settings, threads, observer).factor;
    Factor { d: factor.d.max(0.0), ..factor }
}
