//! What is seen of the quantities that a prior is for.

use crate::error::Error;

/// Pairs of `x_i` and its standard deviation `s_i`.
#[derive(Clone, Copy, Debug)]
pub struct Observations<'a> {
    x: &'a [f64],
    s: &'a [f64],
}

impl<'a> Observations<'a> {
    /// At least one pair of a finite `x` and a positive, finite `s`.
    pub fn new(x: &'a [f64], s: &'a [f64]) -> Result<Self, Error> {
        if x.is_empty() {
            return Err(Error::Range { what: "the number of observations", expected: "at least 1", found: 0.0 });
        }
        if x.len() != s.len() {
            return Err(Error::Length { what: "standard deviations", expected: x.len(), found: s.len() });
        }
        if let Some(&found) = x.iter().find(|x| !x.is_finite()) {
            return Err(Error::Range { what: "an observation", expected: "finite", found });
        }
        if let Some(&found) = s.iter().find(|s| !(**s > 0.0 && s.is_finite())) {
            return Err(Error::Range { what: "a standard deviation", expected: "positive and finite", found });
        }
        Ok(Self { x, s })
    }

    /// The pairs in turn.
    pub fn iter(&self) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.x.iter().copied().zip(self.s.iter().copied())
    }

    /// At most `most` of the pairs, at even steps through all in the order of their `x`; `None` where there are no more
    /// than that. The largest and the least are among them.
    pub(super) fn sample(&self, most: usize) -> Option<(Vec<f64>, Vec<f64>)> {
        let count = self.x.len();
        if count <= most {
            return None;
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&one, &other| self.x[one].total_cmp(&self.x[other]));
        let chosen = (0..most).map(|index| order[index * (count - 1) / (most - 1)]);
        Some(chosen.map(|index| (self.x[index], self.s[index])).unzip())
    }

    /// The largest `x`.
    pub(super) fn largest(&self) -> f64 {
        self.x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The least `s`.
    pub(super) fn least_deviation(&self) -> f64 {
        self.s.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The least of `s_i² / max(|x_i|, s_i)`: a prior whose scale is far below it is a point mass at 0 to all of them.
    pub(super) fn least_scale(&self) -> f64 {
        self.iter().map(|(x, s)| s / (x / s).abs().max(1.0)).fold(f64::INFINITY, f64::min)
    }
}
