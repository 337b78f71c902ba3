//! The generalized binary prior: a point mass at 0 and a truncated normal, from a narrow one to a half-normal.

use crate::distributions::mills::truncated_moments;
use crate::error::Error;
use crate::prior::component::{Component, ComponentMixture};
use crate::prior::profile_likelihood::{scale_grid, Ascent, SlabParameters, SpikeSlab, MAX_UPDATES, NULL_SCALE};
use crate::prior::{check_positive, check_probability, Family, Hyperparameter, Observations, Prior};
use std::f64::consts::LN_2;

/// `g = (1 − weight) δ₀ + weight N₊(location, (ratio · location)²)`, the normal truncated to `[0, ∞)`: the generalized
/// binary prior (Y. Liu, P. Carbonetto, J. Willwerscheid, S. Oakes, K. Macleod and M. Stephens 2025, Dissecting tumor
/// transcriptional heterogeneity from single-cell RNA-seq data by generalized binary covariance decomposition, *Nature
/// Genetics* 57).
///
/// A ratio `ρ` is estimated between 0.001, below which the normal is equivalent to a point mass at the location, and 1000,
/// where it is equivalent to a half-normal: with the width `τ = ρμ` held, `N₊(μ, τ²) → N₊(0, τ²)` as `ρ → ∞`. So loadings
/// that are equal, that vary around a common value and that decrease from 0 are one family. Its density does not decrease
/// as slowly as an exponential. From exponential loadings without noise, the half-normal of the largest likelihood has
/// `τ² = E[w²]`, and is below the exponential by
///
/// ```text
/// E log Exp(w) − E log N₊(w | 0, E[w²]) = −1 + ½ log(π E[w²]/2) + ½ = ½ log π − ½ = 0.072
/// ```
///
/// for each loading (with `E[w] = 1`), less with noise. A negative location would approach the exponential only as
/// `μ → −∞`, and [`PointExponential`](crate::prior::PointExponential) is that limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralizedBinary {
    weight: Option<f64>,
    location: Option<f64>,
    ratio: Option<f64>,
}

/// The bounds of an estimated ratio.
const RATIO_BOUNDS: (f64, f64) = (1e-3, 1e3);

/// The grid spacing for the location, in standard deviations of the normal convolved with the noise.
const LOCATION_STEP: f64 = 2.0;

/// The factor between neighbours in the grid of ratios.
const RATIO_STEP: f64 = 2.0;

/// Above this ratio the grid of ratios has its end only: the normal is close to a half-normal.
const HALF_NORMAL_RATIO: f64 = 4.0;

/// A normal is equivalent to its location if its width is below this, relative to the smallest `s`.
const NARROW: f64 = 0.25;

/// The number of local maxima on the grid from which an ascent starts.
const STARTS: usize = 4;

/// The maximum number of iterations of an ascent from the grid.
const MAX_ITERATIONS: usize = 200;

/// The ratio of the slabs among which an update has its second start: wide, so that a few locations suffice.
const WIDE_RATIO: f64 = 0.5;

impl GeneralizedBinary {
    /// Returns the family with the given prior probability of `w > 0`, location, and standard deviation relative to the
    /// location; `None` estimates any of them.
    pub fn new(weight: Option<f64>, location: Option<f64>, ratio: Option<f64>) -> Result<Self, Error> {
        check_probability("the weight", weight)?;
        check_positive("the location", location)?;
        check_positive("the ratio", ratio)?;
        Ok(Self { weight, location, ratio })
    }

    /// Returns rising log locations that separate the local maxima of the likelihood at a ratio `ρ`.
    ///
    /// With `w̄` and `m` the average posterior mean and second moment of the slab, the slope in the log scale is 0 where
    /// `(ρμ)² + μ w̄ = m`. Each slope `E[w] (x − μ)/r² − q²` is negative beyond the largest `x`, which bounds `μ`; so `m`, and
    /// with it `(ρμ)²`, is at most the second moment of a normal at the largest `x`, of the largest `s`, truncated to `[0, ∞)`.
    /// Local maxima are no narrower than the normal convolved with the noise; in experiments with continuous loadings, a
    /// grid spacing of two of its standard deviations separated them.
    fn location_grid(&self, observations: &Observations, ratio: f64) -> Vec<f64> {
        if let Some(location) = self.location {
            return vec![location.ln()];
        }
        let (max_x, min_sd, max_sd) = (observations.max_x(), observations.min_sd(), observations.max_sd());
        // The grid is one of the larger of location and width.
        let extent = ratio.max(1.0);
        let largest = if max_x > 0.0 { max_x } else { min_sd };
        let max_width = max_sd * truncated_moments(max_x.max(0.0) / max_sd).second.sqrt();
        let step = |scale: f64| (LOCATION_STEP * ratio.hypot(extent * min_sd / scale)).min(LN_2);
        let grid = scale_grid(observations, (extent * largest).min(extent / ratio * max_width), step);
        grid.into_iter().map(|log_scale| log_scale - extent.ln()).collect()
    }

    /// Maximises the likelihood over location and weight at a given ratio.
    fn maximize_location(&self, observations: &Observations, ratio: f64) -> Ascent {
        let model = SpikeSlab { observations, weight: self.weight };
        let grid = self.location_grid(observations, ratio);
        let maximum = model.maximize_scale(Component::normal(1.0, ratio), &grid);
        Ascent { parameters: [maximum.x, ratio.ln()], weight: maximum.extra.weight, value: maximum.value }
    }

    /// Maximises the likelihood over location, ratio and weight: ascents from the highest local maxima over the location
    /// at each ratio of a grid.
    ///
    /// Normals much narrower than the noise are equivalent, so that of these the grid has those of the smallest ratio only.
    #[allow(clippy::expect_used)]
    fn maximize_ratio(&self, observations: &Observations) -> Ascent {
        let model = SpikeSlab { observations, weight: self.weight };
        let (lower, upper) = RATIO_BOUNDS;
        let inner = (0..).map(|power| lower * RATIO_STEP.powi(power)).take_while(|ratio| *ratio <= HALF_NORMAL_RATIO);
        let mut starts: Vec<_> = inner
            .chain([upper])
            .flat_map(|ratio| {
                let mut grid = self.location_grid(observations, ratio);
                if ratio > lower && self.location.is_none() {
                    let narrow = (NARROW * observations.min_sd() / ratio).ln();
                    grid.retain(|log_location| *log_location > narrow);
                }
                maxima_at_ratio(&model, ratio, &grid)
            })
            .collect();
        starts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let ascents = starts.iter().take(STARTS).map(|(_, start)| self.ascend(&model, *start, MAX_ITERATIONS));
        let best = highest(ascents).expect("invariant: the grid of the smallest ratio has a maximum");
        if best.weight > 0.0 {
            best
        } else {
            // The parameters of a slab of weight 0 are arbitrary.
            Ascent { parameters: [observations.min_sd().ln(), lower.ln()], ..best }
        }
    }

    /// Maximises the likelihood by short ascents from the slab of an earlier estimate and, if the ratio is free, from the
    /// highest maximum over the location of a wide slab, which leads out of a poor local maximum.
    fn update(&self, observations: &Observations, earlier: SlabParameters) -> Option<Ascent> {
        let model = SpikeSlab { observations, weight: self.weight };
        let wide = self.ratio.is_none().then(|| {
            let maxima = maxima_at_ratio(&model, WIDE_RATIO, &self.location_grid(observations, WIDE_RATIO));
            maxima.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, start)| start)
        });
        let starts = [earlier].into_iter().chain(wide.flatten());
        highest(starts.map(|start| self.ascend(&model, start, MAX_UPDATES)))
    }

    /// Maximises the likelihood from a start; hyperparameters that are given are held.
    fn ascend(&self, model: &SpikeSlab, start: SlabParameters, max_iterations: usize) -> Ascent {
        let held = |value: f64| (value.ln(), value.ln());
        let observations = model.observations;
        let highest = observations.max_x().max(observations.min_sd()).ln();
        let lowest = NULL_SCALE.ln() + observations.min_scale().ln() - RATIO_BOUNDS.1.ln();
        let location = self.location.map_or((lowest.min(highest), highest), held);
        let ratio = self.ratio.map_or((RATIO_BOUNDS.0.ln(), RATIO_BOUNDS.1.ln()), held);
        model.ascend(start, [location, ratio], max_iterations, |[log_location, log_ratio]| {
            Component::normal(log_location.exp(), (log_location + log_ratio).exp())
        })
    }

    /// Returns the prior at the end of an ascent.
    fn prior(&self, Ascent { parameters: [log_location, log_ratio], weight, .. }: Ascent) -> Box<dyn Prior> {
        let location = self.location.unwrap_or_else(|| log_location.exp());
        let ratio = self.ratio.unwrap_or_else(|| log_ratio.exp());
        let hyperparameters = vec![
            Hyperparameter::new("weight", vec![weight], 0),
            Hyperparameter::new("location", vec![location], 1),
            Hyperparameter::new("ratio", vec![ratio], 0),
        ];
        Box::new(ComponentMixture::spike_slab(weight, Component::normal(location, ratio * location), hyperparameters))
    }
}

impl Family for GeneralizedBinary {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        self.prior(match self.ratio {
            Some(ratio) => self.maximize_location(observations, ratio),
            None => self.maximize_ratio(observations),
        })
    }

    fn estimate_from(&self, previous: &dyn Prior, observations: &Observations) -> Box<dyn Prior> {
        let normal = ComponentMixture::slab_of(previous).and_then(|slab| slab.normal_parameters());
        let update = normal
            .and_then(|(location, width)| self.update(observations, [location.ln(), (width / location).ln()]))
            // Where no slab gains over the point mass alone, the whole grid decides.
            .filter(|update| update.weight > 0.0);
        update.map_or_else(|| self.estimate(observations), |update| self.prior(update))
    }
}

/// Returns the one of the highest value, the first of several.
fn highest(ascents: impl Iterator<Item = Ascent>) -> Option<Ascent> {
    ascents.reduce(|best, ascent| if ascent.value > best.value { ascent } else { best })
}

/// Returns values and parameters of the local maxima, on a rising grid of log locations, of the likelihood at a ratio.
fn maxima_at_ratio(model: &SpikeSlab, ratio: f64, grid: &[f64]) -> Vec<(f64, SlabParameters)> {
    let maxima = model.scan(Component::normal(1.0, ratio), grid).into_iter();
    maxima.map(|(log_location, value)| (value, [log_location, ratio.ln()])).collect()
}
