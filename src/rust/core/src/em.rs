//! The iteration of Stephens's notebook (2025), to the letter.
//!
//! ```text
//! symmetric:  u ← ((A − b)u)₊/‖·‖,  d ← uᵀ(A − b)u,  b ← E[b | A − d u uᵀ, λ, σ]
//! general:    u ← ((A − b)v)₊/‖·‖,  v ← ((A − b)ᵀu)₊/‖·‖,  d ← uᵀ(A − b)v,  b as above
//! ```
//!
//! `b` starts at 0 and is a function of the `(d, u, v, λ, σ)` that it was last computed from, so it need not be stored: a
//! sweep under the old parameters gives the products with the old `b`, whichever vectors they are taken with.

use crate::cancel::attempt;
use crate::estimate::Estimator;
use crate::fit::{FactorFit, Method, Status, Trace};
use crate::noise::{Bounds, Law, Noise};
use crate::observe::{Observer, Progress};
use crate::parallel::Threads;
use crate::pass::{product, sweep, Depth, Margins, Model, Question, Sums, Sweep};
use crate::start::{leading_start, Start};
use crate::vector::{add_scaled, dot, norm, truncate};
use crate::view::{Factor, View};

/// How long to iterate, and when to re-estimate λ and σ.
pub struct Settings<'a> {
    /// λ and σ at the start.
    pub noise: Noise,
    /// The rule that re-estimates them after each round, if any.
    pub estimator: Option<&'a dyn Estimator>,
    /// The number of rounds.
    pub rounds: usize,
    /// The iterations of a round.
    pub iterations: usize,
    /// A round ends early where `u`, `v` and `d` moved by no more than this, relatively; 0 for never.
    pub tolerance: f64,
    /// Whether to compute the log-likelihood after every iteration.
    pub trace: bool,
}

/// What the iteration found.
pub struct Fit {
    /// The factor, with the `d` of the last `b`.
    pub factor: Factor,
    /// The parameters that the last `b` was computed from: the factor before its last `d`, and the noise of its round.
    pub b: Parameters,
    /// λ and σ, as last estimated.
    pub noise: Noise,
    /// A value an iteration.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}

/// What `b̄` is a function of.
pub struct Parameters {
    /// The low-rank part.
    pub factor: Factor,
    /// λ and σ.
    pub noise: Noise,
}

/// Iterates from a start, that of the leading singular pair if no other is given.
pub fn iterate(
    view: &View,
    start: Option<Start>,
    settings: &Settings,
    threads: Threads,
    observer: &mut Observer,
) -> Fit {
    let start = start.unwrap_or_else(|| leading_start(view, threads, observer));
    let mut state = State::new(view, start, settings, threads);
    let mut trace = Vec::new();
    let mut noise = settings.noise;
    let mut status = Status::Maxiter;
    'rounds: for round in 1..=settings.rounds {
        for iteration in 1..=settings.iterations {
            let Some(moved) = attempt(|| state.step(noise)) else {
                status = Status::Interrupted;
                break 'rounds;
            };
            let sums = state.sums.filter(|_| settings.trace);
            let log_likelihood = sums.map_or(f64::NAN, |sums| sums.log_likelihood(noise));
            trace.push(Trace { elbo: f64::NAN, log_likelihood, noise, stage: round });
            let settled = if settings.tolerance > 0.0 { settings.tolerance } else { SETTLED };
            status = if moved <= settled { Status::Converged } else { Status::Maxiter };
            let progress = Progress::new(trace.len()).at(log_likelihood, sums.map_or(0.0, |sums| sums.count));
            if observer(progress).is_break() {
                status = Status::Interrupted;
                break 'rounds;
            }
            if moved <= settings.tolerance && settings.tolerance > 0.0 && iteration < settings.iterations {
                break;
            }
        }
        if let (Some(estimator), Some(sums)) = (settings.estimator, state.sums) {
            match estimator.estimate(&sums, &UNBOUNDED) {
                Some(estimate) => noise = estimate,
                None => {
                    status = Status::Noise;
                    break;
                }
            }
        }
    }
    state.finish(noise, trace, status)
}

/// The notebook's estimates have no bounds.
const UNBOUNDED: Bounds = Bounds { least_sigma: 0.0, least_ratio: 0.0, largest_ratio: f64::INFINITY };

/// A relative move that counts as none where no tolerance is given.
const SETTLED: f64 = 1e-8;

impl Method for Settings<'_> {
    fn fit(&self, view: &View, start: Option<Start>, threads: Threads, observer: &mut Observer) -> FactorFit {
        let Fit { factor, noise, trace, status, .. } = iterate(view, start, self, threads, observer);
        let model = Model { factor: &factor, noise };
        let sums = sweep(view, model, &model.question(Depth::Likelihood), threads).sums;
        let log_likelihood = sums.log_likelihood(noise);
        FactorFit {
            factor,
            noise,
            law: Law::EXPONENTIAL,
            deviations: None,
            bounds: None,
            rung: None,
            log_likelihood,
            count: sums.count,
            ends: Vec::new(),
            beliefs: None,
            spread: 0.0,
            slopes: None,
            trace,
            status,
        }
    }
}

/// The current factor, and what the sweep under the current `b` found.
struct State<'a> {
    view: &'a View<'a>,
    threads: Threads,
    depth: Depth,
    factor: Factor,
    /// λ and σ of the current `b`; `None` while `b` is zero.
    noise_of_b: Option<Noise>,
    /// `(A − b) v`.
    products: Margins,
    /// The sums under the current `b`.
    sums: Option<Sums>,
}

impl<'a> State<'a> {
    fn new(view: &'a View<'a>, start: Start, settings: &Settings, threads: Threads) -> Self {
        let v = (!view.is_symmetric()).then_some(start.v);
        let factor = Factor { d: 0.0, u: start.u, v };
        let products = product(view, &factor.u, factor.v(), threads);
        let depth = if settings.trace { Depth::Likelihood } else { Depth::Expectation };
        Self { view, threads, depth, factor, noise_of_b: None, products, sums: None }
    }

    /// The products of the current `A − b` with any two vectors.
    fn products_with(&self, row_weights: &[f64], column_weights: &[f64]) -> Margins {
        let Some(noise) = self.noise_of_b else {
            return product(self.view, row_weights, column_weights, self.threads);
        };
        self.sweep(Model { factor: &self.factor, noise }, row_weights, column_weights, Depth::Expectation).products
    }

    /// A sweep with the `b` of a model.
    fn sweep(&self, model: Model, row_weights: &[f64], column_weights: &[f64], depth: Depth) -> Sweep {
        // The residual's mean moves little from one iteration to the next.
        let shift = self.sums.map_or(1.0 / model.noise.lambda, |sums| sums.residual_mean());
        sweep(self.view, model, &Question { row_weights, column_weights, shift, depth }, self.threads)
    }

    /// One iteration: the factor from the current `b`, then `b` from the factor and `noise`. Returns how far it moved. The
    /// state is as before where the step is given up.
    fn step(&mut self, noise: Noise) -> f64 {
        let u = truncate(&self.products.rows);
        let factor = if self.view.is_symmetric() {
            let d = self.quadratic_form(&u);
            Factor { d, u, v: None }
        } else {
            let products = self.products_with(&u, self.factor.v()).columns;
            let v = truncate(&products);
            Factor { d: dot(&products, &v), u, v: Some(v) }
        };
        let moved = distance(&self.factor, &factor);
        if self.noise_of_b == Some(noise) && self.factor == factor {
            return moved; // A fixed point to the last bit: the sweep would find what it found.
        }
        let found = self.sweep(Model { factor: &factor, noise }, &factor.u, factor.v(), self.depth);
        self.factor = factor;
        self.noise_of_b = Some(noise);
        self.products = found.products;
        self.sums = Some(found.sums);
        moved
    }

    /// `uᵀCu` with `C = A − b` symmetric, of which `C u₀` is known at the current `u₀`. With `u = c u₀ + δ`,
    /// `uᵀCu = c² u₀ᵀCu₀ + 2c δᵀCu₀ + δᵀCδ`, and the last term is left out where it is below rounding: near a fixed
    /// point an iteration costs one sweep, elsewhere two.
    fn quadratic_form(&self, u: &[f64]) -> f64 {
        let (known, products) = (&self.factor.u, &self.products.rows);
        let overlap = dot(u, known);
        let mut rest = u.to_vec();
        add_scaled(&mut rest, -overlap, known);
        let value = overlap * (overlap * dot(known, products) + 2.0 * dot(&rest, products));
        let bound = self.spectral_bound() * dot(&rest, &rest);
        if bound <= NEGLIGIBLE * value.abs() {
            return value;
        }
        dot(u, &self.products_with(u, u).rows)
    }

    /// The Frobenius norm of `A − b`: no less than its largest `|eigenvalue|`.
    fn spectral_bound(&self) -> f64 {
        self.sums.map_or(f64::INFINITY, |sums| (2.0 * sums.square_rest).sqrt())
    }

    /// The last `d`, under the last `b`.
    fn finish(self, noise: Noise, trace: Vec<Trace>, status: Status) -> Fit {
        let d = dot(&self.factor.u, &self.products.rows);
        let b = Parameters { factor: self.factor.clone(), noise: self.noise_of_b.unwrap_or(noise) };
        let factor = Factor { d, ..self.factor };
        Fit { factor, b, noise, trace, status }
    }
}

/// The share of `uᵀCu` that its rounding hides.
const NEGLIGIBLE: f64 = 2e-17;

/// The largest relative move of `u`, `v` and `d`.
fn distance(old: &Factor, new: &Factor) -> f64 {
    let apart = |x: &[f64], y: &[f64]| norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>());
    let d = (new.d - old.d).abs() / new.d.abs().max(f64::MIN_POSITIVE);
    d.max(apart(&old.u, &new.u)).max(apart(old.v(), new.v()))
}
