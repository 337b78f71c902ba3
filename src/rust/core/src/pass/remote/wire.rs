//! Vectors written down as numbers, to be sent elsewhere.

use crate::factor::Factor;
use crate::vector::Contiguous;

/// Vectors one after the other, each behind its length.
#[derive(Default)]
pub(crate) struct WireWriter(Vec<f64>);

impl WireWriter {
    /// All of them.
    pub(crate) fn numbers(self) -> Vec<f64> {
        self.0
    }

    /// Adds a vector.
    pub(crate) fn put(&mut self, values: &[f64]) {
        self.0.push(values.len() as f64);
        self.0.extend_from_slice(values);
    }

    /// Adds the weights of some factors, and then the loadings of each.
    pub(crate) fn put_factors<'a>(&mut self, factors: impl Iterator<Item = &'a Factor>) {
        let factors: Vec<&Factor> = factors.collect();
        self.put(&factors.iter().map(|factor| factor.d).collect::<Vec<f64>>());
        for factor in factors {
            self.put(factor.u());
            self.put(factor.v.as_ref().map_or(&[], Contiguous::as_slice));
        }
    }
}

/// Reads what a [`WireWriter`] has, in its order.
pub(crate) struct Reader<'a>(&'a [f64]);

impl<'a> Reader<'a> {
    pub(crate) fn new(numbers: &'a [f64]) -> Self {
        Self(numbers)
    }

    /// The next vector; `None` where there is none.
    pub(crate) fn take(&mut self) -> Option<&'a [f64]> {
        let (length, rest) = self.0.split_first()?;
        let (values, rest) = rest.split_at_checked(*length as usize)?;
        self.0 = rest;
        Some(values)
    }

    /// The next factors; `None` where they are not of a matrix of that size.
    pub(crate) fn take_factors(&mut self, nrow: usize, ncol: usize, symmetric: bool) -> Option<Vec<Factor>> {
        let weights = self.take()?;
        let factor = |d: &f64| {
            let (u, v) = (self.take()?, self.take()?);
            let fits = u.len() == nrow && v.len() == if symmetric { 0 } else { ncol };
            fits.then(|| Factor::new(*d, u, (!symmetric).then_some(v)))
        };
        weights.iter().map(factor).collect()
    }
}
