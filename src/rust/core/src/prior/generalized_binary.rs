//! Nearly two values: a point mass at 0 and a narrow normal.

use crate::error::Error;
use crate::optim::scalar::{highest, Point};
use crate::prior::component::Component;
use crate::prior::component_mixture::ComponentMixture;
use crate::prior::profile_likelihood::{knots, Best, SpikeSlab};
use crate::prior::{check_positive, check_probability, Family, Hyperparameter, Observations, Prior};
use std::f64::consts::LN_2;

/// `g = (1 − weight) δ₀ + weight N₊(location, (ratio · location)²)`, the normal truncated to `[0, ∞)`: the generalized
/// binary prior (Y. Liu, P. Carbonetto, J. Willwerscheid, S. Oakes, K. Macleod and M. Stephens 2025, Dissecting tumor
/// transcriptional heterogeneity from single-cell RNA-seq data by generalized binary covariance decomposition, *Nature
/// Genetics* 57).
///
/// A ratio to be estimated is sought between 0.001, beyond which the normal is as good as a point, and 1, where it has
/// little to do with two values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralizedBinary {
    weight: Option<f64>,
    location: Option<f64>,
    ratio: Option<f64>,
}

/// The bounds of a ratio that is estimated.
const RATIOS: (f64, f64) = (1e-3, 1.0);

/// How far knots of the scan for the location are apart, in deviations of the normal as the noise blurs it.
const STEP: f64 = 2.0;

/// Knots of the scan for the ratio: a factor of 2 apart.
const RATIO_KNOTS: usize = 11;

/// What goes with a ratio.
#[derive(Clone, Copy)]
struct Place {
    log_location: f64,
    weight: f64,
}

impl GeneralizedBinary {
    /// The family with the prior probability that `w` is not 0, the location, and the standard deviation in units of
    /// the location, each given or to be estimated.
    pub fn new(weight: Option<f64>, location: Option<f64>, ratio: Option<f64>) -> Result<Self, Error> {
        check_probability("the weight", weight)?;
        check_positive("the location", location)?;
        check_positive("the ratio", ratio)?;
        Ok(Self { weight, location, ratio })
    }

    /// The best location and weight at one ratio.
    ///
    /// Each slope `E[w] (x − μ)/r² − q²` is negative beyond the largest `x`, so the best location is not. Hills are no
    /// narrower than a normal that is blurred by the noise, and knots up to two deviations of that apart told them from
    /// each other in trials on continuous loadings.
    fn best_location(&self, observations: &Observations, ratio: f64) -> Point<Best> {
        let slab = SpikeSlab { observations, weight: self.weight };
        if let Some(location) = self.location {
            let best = slab.best_scale(Component::normal(location, ratio * location), &[0.0]);
            return Point { at: location.ln(), ..best };
        }
        let (largest, deviation) = (observations.largest(), observations.least_deviation());
        let largest = if largest > 0.0 { largest } else { deviation };
        let step = |location: f64| (STEP * ratio.hypot(deviation / location)).min(LN_2);
        slab.best_scale(Component::normal(1.0, ratio), &knots(observations, largest, step))
    }

    /// The best ratio's log, and with it the best location and weight.
    fn best_ratio(&self, observations: &Observations) -> Point<Place> {
        let look = |at: f64| {
            let best = self.best_location(observations, at.exp());
            let Best { weight, width_slope } = best.with;
            Point { at, value: best.value, slope: width_slope, with: Place { log_location: best.at, weight } }
        };
        let (least, most) = (RATIOS.0.ln(), RATIOS.1.ln());
        let knot = |index: usize| least + (most - least) * index as f64 / (RATIO_KNOTS - 1) as f64;
        highest(&(0..RATIO_KNOTS).map(|index| look(knot(index))).collect::<Vec<_>>(), look)
    }
}

impl Family for GeneralizedBinary {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let (ratio, Place { log_location, weight }) = match self.ratio {
            Some(ratio) => {
                let best = self.best_location(observations, ratio);
                (ratio, Place { log_location: best.at, weight: best.with.weight })
            }
            None => {
                let best = self.best_ratio(observations);
                (best.at.exp(), best.with)
            }
        };
        let location = self.location.unwrap_or_else(|| log_location.exp());
        let hyperparameters = vec![
            Hyperparameter::new("weight", vec![weight], 0),
            Hyperparameter::new("location", vec![location], 1),
            Hyperparameter::new("ratio", vec![ratio], 0),
        ];
        Box::new(ComponentMixture::with_zero(weight, Component::normal(location, ratio * location), hyperparameters))
    }
}
