//! The log-likelihood as a function of loadings, or of weights, and of λ and σ: the hill that is climbed.
//!
//! In `w = √d u`, `y = √d v` (one vector where the matrix is symmetric) the slopes of the log-likelihood are
//! `Σ_j (x − b̄)_ij y_j / σ²` and their diagonal curvatures `Σ_j m_ij y_j² / σ²`; in a weight `d` they are
//! `uᵀ(x − b̄) v / σ²` and `Σ m_ij u_i² v_j² / σ²`, halved where the matrix is symmetric: one sweep yields them all.

use crate::ascent::{Evaluation, Limits, Metric};
use crate::maximise::{Free, Settings};
use crate::noise::likelihood::Slopes;
use crate::noise::Noise;
use crate::parallel::Threads;
use crate::pass::{joint_sweep, sweep, Depth, Margins, Model, Question, Sums, Sweep};
use crate::vector::dot;
use crate::view::{Factor, View};

/// A hill over coordinates: the loadings of each factor, rows first, or its weight; and then, where they climb,
/// `log λσ` and `log σ`.
pub(crate) struct Hill<'a> {
    pub(crate) view: &'a View<'a>,
    /// The factors at the start.
    pub(crate) factors: &'a [Factor],
    /// λ and σ at the start.
    pub(crate) noise: Noise,
    pub(crate) settings: &'a Settings,
    pub(crate) threads: Threads,
}

/// The most that `log λσ` and `log σ` move in one step.
const NOISE_REACH: f64 = 1.0;

impl Hill<'_> {
    /// The coordinates of the start.
    pub(crate) fn start(&self) -> Vec<f64> {
        let mut theta = Vec::new();
        for factor in self.factors {
            match self.settings.free {
                Free::Weights => theta.push(factor.d),
                Free::Loadings => {
                    let root = factor.d.max(0.0).sqrt();
                    theta.extend(factor.u.iter().chain(factor.v.iter().flatten()).map(|loading| root * loading));
                }
            }
        }
        if self.settings.bounds.is_some() {
            theta.extend([(self.noise.lambda * self.noise.sigma).ln(), self.noise.sigma.ln()]);
        }
        theta
    }

    /// The factors at a point: with `d = 1` and the loadings `w`, or with their weights and the loadings of the start.
    pub(crate) fn factors_at(&self, theta: &[f64]) -> Vec<Factor> {
        let coordinates = theta.chunks_exact(self.span());
        let at = |(factor, part): (&Factor, &[f64])| match self.settings.free {
            Free::Weights => Factor { d: part[0], ..factor.clone() },
            Free::Loadings => {
                let (rows, columns) = part.split_at(self.view.nrow());
                Factor { d: 1.0, u: rows.to_vec(), v: (!columns.is_empty()).then(|| columns.to_vec()) }
            }
        };
        self.factors.iter().zip(coordinates).map(at).collect()
    }

    /// λ and σ at a point.
    pub(crate) fn noise_at(&self, theta: &[f64]) -> Noise {
        match theta[self.span() * self.factors.len()..] {
            [ratio, sigma] => Noise { lambda: (ratio - sigma).exp(), sigma: sigma.exp() },
            _ => self.noise,
        }
    }

    /// The coordinates of one factor.
    fn span(&self) -> usize {
        match self.settings.free {
            Free::Weights => 1,
            Free::Loadings => self.view.nrow() + if self.view.is_symmetric() { 0 } else { self.view.ncol() },
        }
    }

    /// The box that the coordinates stay in.
    pub(crate) fn limits(&self) -> Limits {
        let count = self.span() * self.factors.len();
        let largest = match self.settings.free {
            Free::Weights => f64::INFINITY,
            Free::Loadings => self.settings.largest,
        };
        let (mut lower, mut upper, mut reach) = (vec![0.0; count], vec![largest; count], vec![f64::INFINITY; count]);
        if let Some(bounds) = self.settings.bounds {
            lower.extend([bounds.least_ratio.ln(), bounds.sigma.ln()]);
            upper.extend([bounds.largest_ratio.ln(), f64::INFINITY]);
            reach.extend([NOISE_REACH; 2]);
        }
        let Settings { tolerance, iterations, .. } = *self.settings;
        Limits { lower, upper, reach, count: self.view.count(), tolerance, iterations }
    }

    /// What moves are measured by: the largest loading of a factor's rows for those of its rows, likewise for its columns;
    /// the largest weight for weights; 1 for logarithms.
    pub(crate) fn size(&self, theta: &[f64]) -> Vec<f64> {
        let (parts, noise) = theta.split_at(self.span() * self.factors.len());
        let mut size = Vec::with_capacity(theta.len());
        let mut same = |part: &[f64]| {
            let largest = part.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(*value));
            size.resize(size.len() + part.len(), largest);
        };
        match self.settings.free {
            Free::Weights => same(parts),
            Free::Loadings => {
                for part in parts.chunks_exact(self.span()) {
                    let (rows, columns) = part.split_at(self.view.nrow());
                    same(rows);
                    same(columns);
                }
            }
        }
        size.resize(size.len() + noise.len(), 1.0);
        size
    }

    /// The log-likelihood at a point, its slopes and curvatures.
    pub(crate) fn evaluate(&self, theta: &[f64]) -> Evaluation {
        let noise = self.noise_at(theta);
        let factors = self.factors_at(theta);
        let (slopes, sums) = self.sweep(&factors, noise);
        let precision = 1.0 / (noise.sigma * noise.sigma);
        let (mut gradient, mut diagonal) = (Vec::with_capacity(theta.len()), Vec::with_capacity(theta.len()));
        for (factor, (products, curvatures)) in factors.iter().zip(&slopes) {
            match self.settings.free {
                Free::Loadings => {
                    gradient.extend(products.rows.iter().chain(&products.columns).map(|slope| precision * slope));
                    diagonal.extend(inverse_curvatures(&curvatures.rows, 2.0 * precision));
                    diagonal.extend(inverse_curvatures(&curvatures.columns, 2.0 * precision));
                }
                Free::Weights => {
                    let share = if self.view.is_symmetric() { 0.5 * precision } else { precision };
                    let squares: Vec<f64> = factor.u.iter().map(|u| u * u).collect();
                    gradient.push(share * dot(&factor.u, &products.rows));
                    diagonal.extend(inverse_curvatures(&[dot(&squares, &curvatures.rows)], share));
                }
            }
        }
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

    /// Products and curvatures of each factor. A single one has a sweep of its own, in which nothing is written down.
    fn sweep(&self, factors: &[Factor], noise: Noise) -> (Vec<(Margins, Margins)>, Sums) {
        let shift = 1.0 / noise.lambda;
        if let [factor] = factors {
            let question =
                Question { row_weights: &factor.u, column_weights: factor.v(), shift, depth: Depth::Curvature };
            let Sweep { products, curvatures, sums } =
                sweep(self.view, Model { factor, noise }, &question, self.threads);
            return (vec![(products, curvatures)], sums);
        }
        let found = joint_sweep(self.view, factors, noise, shift, self.threads);
        let slopes = (0..factors.len()).map(|index| (found.products.of(index), found.curvatures.of(index)));
        (slopes.collect(), found.sums)
    }
}

/// The least curvature of an entry's log-likelihood in `log λσ` and `log σ` that a step relies on.
const LEAST_CURVATURE: f64 = 0.05;
/// The least curvature of a loading, as a share of the largest.
const LEAST_SHARE: f64 = 1e-6;
/// Curvatures that are all less are zero.
const LEAST_LARGEST: f64 = 1e-200;

/// The inverses of `scale` times the curvatures. Loadings want a scale of two: along the loadings themselves the whole
/// matrix curves twice as much as its diagonal says, since `W` is a product of two of them. Where all are zero, so are
/// the slopes, and any step will do.
fn inverse_curvatures(curvatures: &[f64], scale: f64) -> Vec<f64> {
    let largest = curvatures.iter().copied().fold(0.0, f64::max);
    if largest < LEAST_LARGEST {
        return vec![1.0; curvatures.len()];
    }
    curvatures.iter().map(|curvature| 1.0 / (scale * curvature.max(LEAST_SHARE * largest))).collect()
}

#[cfg(test)]
mod tests;
