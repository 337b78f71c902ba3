//! The sums over entries that only a mixture has.

use crate::distributions::simd::{kept, mul_add};
use crate::pass::mixture::{Explained, Mixture};
use crate::remainder_prior::MAX_COMPONENTS;
use pulp::Simd;

/// The sums that only a mixture has, a lane each.
#[derive(Clone, Copy)]
pub(crate) struct MixtureAccumulator<S: Simd> {
    shares: [S::f64s; MAX_COMPONENTS + 1],
    slopes: [S::f64s; 5],
}

impl<S: Simd> MixtureAccumulator<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { shares: [zero; MAX_COMPONENTS + 1], slopes: [zero; 5] }
    }

    /// Adds a register, as much as `keep` says.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        simd: S,
        mixture: &Mixture,
        found: &Explained<S>,
        slopes: bool,
        keep: Option<S::m64s>,
    ) {
        let zero = simd.splat_f64s(0.0);
        let inverse = kept(simd, keep, found.inverse_density, zero);
        for index in 0..mixture.count() {
            let term = kept(simd, keep, found.terms[index], zero);
            self.shares[index] = mul_add(simd, term, inverse, self.shares[index]);
        }
        if mixture.has_atom() {
            let term = kept(simd, keep, found.terms[MAX_COMPONENTS], zero);
            self.shares[MAX_COMPONENTS] = mul_add(simd, term, inverse, self.shares[MAX_COMPONENTS]);
        }
        if slopes {
            for index in 0..5 {
                self.slopes[index] = simd.add_f64s(self.slopes[index], kept(simd, keep, found.slopes[index], zero));
            }
        }
    }

    #[inline(always)]
    pub(crate) fn sums(&self, simd: S) -> MixtureStats {
        MixtureStats {
            shares: self.shares.map(|lanes| simd.reduce_sum_f64s(lanes)),
            slopes: self.slopes.map(|lanes| simd.reduce_sum_f64s(lanes)),
        }
    }
}

/// PassStats over entries that only a mixture has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MixtureStats {
    /// `Σ p_k`, by increasing rate; the last is `Σ p_0`.
    pub(crate) shares: [f64; MAX_COMPONENTS + 1],
    /// The sums of the slopes of `log f`: `l`, `s`, `ll`, `ls`, `ss`.
    pub(crate) slopes: [f64; 5],
}

impl MixtureStats {
    pub(crate) const NOTHING: Self = Self { shares: [0.0; MAX_COMPONENTS + 1], slopes: [0.0; 5] };

    pub(crate) fn add(&mut self, other: &Self, weight: f64) {
        let pairs = self.shares.iter_mut().chain(&mut self.slopes).zip(other.shares.iter().chain(&other.slopes));
        pairs.for_each(|(sum, part)| *sum += weight * part);
    }
}
