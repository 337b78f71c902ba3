//! One factor by maximum likelihood: the loadings and, as asked, λ and σ climb together.
//!
//! In `w = √d u`, `y = √d v` (one vector where the matrix is symmetric) the slopes of the log-likelihood are
//! `Σ_j (x − b̄)_ij y_j / σ²` and their diagonal curvatures `Σ_j m_ij y_j² / σ²`: one sweep yields them all. The problem is
//! not concave in `(w, y)`, so [`crate::ascent`] checks every step.

use crate::ascent::{climb, Evaluation, Limits, Metric};
use crate::fit::{Status, Trace};
use crate::noise::likelihood::Slopes;
use crate::noise::{Bounds, Noise};
use crate::observe::Observer;
use crate::parallel::Threads;
use crate::pass::{sweep, Depth, Model, Question, Sums, Sweep};
use crate::vector::norm;
use crate::view::{Factor, View};

/// How long to climb, and what may move.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The bounds within which λ and σ climb as well; `None` holds them fixed.
    pub bounds: Option<Bounds>,
    /// The largest loading `√d u`.
    pub largest: f64,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations.
    pub iterations: usize,
}

/// Where a climb ended.
pub struct Fit {
    /// The factor; zero where nothing is left for it.
    pub factor: Factor,
    /// λ and σ.
    pub noise: Noise,
    /// The sums of a sweep there, with curvatures.
    pub sums: Sums,
    /// A value a step.
    pub trace: Vec<Trace>,
    /// The sweeps that were needed.
    pub sweeps: usize,
    /// Why it ended.
    pub status: Status,
}

impl Fit {
    /// The log-likelihood there.
    pub fn log_likelihood(&self) -> f64 {
        self.sums.log_likelihood(self.noise)
    }
}

/// Climbs from a factor, λ and σ.
pub fn maximise(
    view: &View,
    start: &Factor,
    noise: Noise,
    settings: &Settings,
    threads: Threads,
    observer: &mut Observer,
) -> Fit {
    let noise = settings.bounds.map_or(noise, |bounds| bounds.clamp(noise));
    let hill = Hill { view, noise, settings, threads };
    let (mut sweeps, mut trace) = (0, Vec::new());
    let (theta, sums, status) = climb(
        hill.coordinates(start),
        &hill.limits(),
        |theta| {
            sweeps += 1;
            hill.evaluate(theta)
        },
        |theta| hill.size(theta),
        |theta, log_likelihood| trace.push(Trace { log_likelihood, noise: hill.noise_at(theta) }),
        observer,
    );
    let factor = hill.loadings(&theta).normalised();
    Fit { factor, noise: hill.noise_at(&theta), sums, trace, sweeps, status }
}

/// The log-likelihood as a function of coordinates: the loadings and, where they climb, `log λσ` and `log σ`.
struct Hill<'a> {
    view: &'a View<'a>,
    /// λ and σ at the start.
    noise: Noise,
    settings: &'a Settings,
    threads: Threads,
}

/// The most that `log λσ` and `log σ` move in one step.
const NOISE_REACH: f64 = 1.0;
/// The least `λσ` that is looked at: below, `b` would have to be a million times larger than `e`.
const LEAST_RATIO: f64 = 1e-6;

impl Hill<'_> {
    fn loading_count(&self) -> usize {
        self.view.nrow() + if self.view.is_symmetric() { 0 } else { self.view.ncol() }
    }

    fn coordinates(&self, factor: &Factor) -> Vec<f64> {
        let root = factor.d.max(0.0).sqrt();
        let columns = factor.v.iter().flatten();
        let mut theta: Vec<f64> = factor.u.iter().chain(columns).map(|loading| root * loading).collect();
        if self.settings.bounds.is_some() {
            theta.extend([(self.noise.lambda * self.noise.sigma).ln(), self.noise.sigma.ln()]);
        }
        theta
    }

    fn loadings(&self, theta: &[f64]) -> Factor {
        let (rows, rest) = theta.split_at(self.view.nrow());
        let v = (!self.view.is_symmetric()).then(|| rest[..self.view.ncol()].to_vec());
        Factor { d: 1.0, u: rows.to_vec(), v }
    }

    fn noise_at(&self, theta: &[f64]) -> Noise {
        match theta[self.loading_count()..] {
            [ratio, sigma] => Noise { lambda: (ratio - sigma).exp(), sigma: sigma.exp() },
            _ => self.noise,
        }
    }

    fn limits(&self) -> Limits {
        let count = self.loading_count();
        let (mut lower, mut upper, mut reach) =
            (vec![0.0; count], vec![self.settings.largest; count], vec![f64::INFINITY; count]);
        if let Some(bounds) = self.settings.bounds {
            lower.extend([LEAST_RATIO.ln(), bounds.sigma.ln()]);
            upper.extend([bounds.lambda_sigma.ln(), f64::INFINITY]);
            reach.extend([NOISE_REACH; 2]);
        }
        Limits {
            lower,
            upper,
            reach,
            count: self.view.count(),
            tolerance: self.settings.tolerance,
            iterations: self.settings.iterations,
        }
    }

    /// The largest loading of the rows for those of the rows, likewise for the columns; 1 for logarithms.
    fn size(&self, theta: &[f64]) -> Vec<f64> {
        let largest = |part: &[f64]| part.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(*value));
        let (loadings, noise) = theta.split_at(self.loading_count());
        let (rows, columns) = loadings.split_at(self.view.nrow());
        let same = |part: &[f64]| vec![largest(part); part.len()];
        [same(rows), same(columns), vec![1.0; noise.len()]].concat()
    }

    fn sweep(&self, loadings: &Factor, noise: Noise) -> Sweep {
        let question = Question {
            row_weights: &loadings.u,
            column_weights: loadings.v(),
            shift: 1.0 / noise.lambda,
            depth: Depth::Curvature,
        };
        sweep(self.view, Model { factor: loadings, noise }, &question, self.threads)
    }

    fn evaluate(&self, theta: &[f64]) -> Evaluation {
        let noise = self.noise_at(theta);
        let Sweep { products, curvatures, sums } = self.sweep(&self.loadings(theta), noise);
        let precision = 1.0 / (noise.sigma * noise.sigma);
        let mut gradient: Vec<f64> =
            products.rows.iter().chain(&products.columns).map(|slope| precision * slope).collect();
        let mut diagonal = inverse_curvatures(&curvatures.rows, precision);
        diagonal.extend(inverse_curvatures(&curvatures.columns, precision));
        let mut pair = None;
        if self.settings.bounds.is_some() {
            let slopes = Slopes::new(&sums, noise).in_ratio();
            let [first, _, second] = slopes.hessian;
            gradient.extend(slopes.gradient);
            diagonal.extend([first, second].map(|curvature| 1.0 / curvature.abs().max(LEAST_CURVATURE * sums.count)));
            pair = Some(slopes.hessian);
        }
        Evaluation { value: sums.log_likelihood(noise), gradient, metric: Metric { diagonal, pair }, sums }
    }
}

/// The least curvature of an entry's log-likelihood in `log λσ` and `log σ` that a step relies on.
const LEAST_CURVATURE: f64 = 0.05;
/// The least curvature of a loading, as a share of the largest.
const LEAST_SHARE: f64 = 1e-6;
/// Curvatures that are all less are zero.
const LEAST_LARGEST: f64 = 1e-200;

/// `½ / (curvature/σ²)`: along the loadings themselves the whole matrix curves twice as much as its diagonal says, since
/// `W` is a product of two of them. Where all are zero, so are the slopes, and any step will do.
fn inverse_curvatures(curvatures: &[f64], precision: f64) -> Vec<f64> {
    let largest = curvatures.iter().copied().fold(0.0, f64::max);
    if largest < LEAST_LARGEST {
        return vec![1.0; curvatures.len()];
    }
    curvatures.iter().map(|curvature| 0.5 / (precision * curvature.max(LEAST_SHARE * largest))).collect()
}

impl Factor {
    /// The same product with loadings of unit norm and all weight in `d`; zero loadings stay.
    fn normalised(self) -> Self {
        let Self { mut d, u, v } = self;
        let mut unit = |loadings: Vec<f64>, power: i32| -> Vec<f64> {
            let length = norm(&loadings);
            d *= length.powi(power);
            loadings.iter().map(|loading| if length > 0.0 { loading / length } else { 0.0 }).collect()
        };
        let u = unit(u, if v.is_some() { 1 } else { 2 });
        let v = v.map(|loadings| unit(loadings, 1));
        Self { d, u, v }
    }
}
