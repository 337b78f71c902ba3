//! The sums over entries that a pass collects, and what follows from them.

use crate::noise::ResidualParams;
use crate::pass::mixture_sums::MixtureStats;

/// PassStats over the entries of the residual `x = A − W`; of a symmetric matrix each pair counts once, the diagonal half.
///
/// What a pass was not asked for is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassStats {
    /// The number of entries.
    pub count: f64,
    /// `Σ b̄`.
    pub mean_b: f64,
    /// `Σ (a − b̄)²`, or `Σ (x − b̄)²`: of what the products are taken of. An upper bound of it where `powers`
    /// summed up the zeros of a sparse matrix.
    pub square_rest: f64,
    /// The largest residual.
    pub maximum: f64,
    /// The value that `first` and `second` are taken about.
    pub(crate) shift: f64,
    /// `Σ (x − shift)`.
    pub(crate) first: f64,
    /// `Σ (x − shift)²`.
    pub(crate) second: f64,
    /// `Σ [λ²σ²/2 − λx + log Φ(z)]`, the log-likelihood but for `log λ`; under a mixture likewise.
    pub(crate) log_kernel: f64,
    /// `Σ h`.
    pub(crate) hazard: f64,
    /// `Σ m`, `m = h (z + h)`, divided by `s²` where the noise differs; of a mixture `m = 1 − Var[b]/σ²`, which has none of the
    /// sums in `h` beside it.
    pub(crate) curvature: f64,
    /// `Σ h r` with the reach `r = x/σ + λσ`.
    pub(crate) hazard_reach: f64,
    /// `Σ m r`.
    pub(crate) curvature_reach: f64,
    /// `Σ m r²`.
    pub(crate) curvature_reach_squared: f64,
    /// What only a mixture has.
    pub(crate) mixed: Option<MixtureStats>,
}

/// How many sums there are beside the maximum.
pub(crate) const SUMS: usize = 11;

impl PassStats {
    /// PassStats over nothing.
    pub(crate) fn empty(shift: f64) -> Self {
        Self {
            count: 0.0,
            mean_b: 0.0,
            square_rest: 0.0,
            maximum: f64::NEG_INFINITY,
            shift,
            first: 0.0,
            second: 0.0,
            log_kernel: 0.0,
            hazard: 0.0,
            curvature: 0.0,
            hazard_reach: 0.0,
            curvature_reach: 0.0,
            curvature_reach_squared: 0.0,
            mixed: None,
        }
    }

    /// Adds the sums of other entries, each counted `weight` times. Both must have the same shift.
    pub(crate) fn add(&mut self, other: &Self, weight: f64) {
        self.count += weight * other.count;
        self.mean_b += weight * other.mean_b;
        self.square_rest += weight * other.square_rest;
        self.maximum = self.maximum.max(other.maximum);
        self.first += weight * other.first;
        self.second += weight * other.second;
        self.log_kernel += weight * other.log_kernel;
        self.hazard += weight * other.hazard;
        self.curvature += weight * other.curvature;
        self.hazard_reach += weight * other.hazard_reach;
        self.curvature_reach += weight * other.curvature_reach;
        self.curvature_reach_squared += weight * other.curvature_reach_squared;
        if let Some(mixed) = &other.mixed {
            self.mixed.get_or_insert(MixtureStats::NOTHING).add(mixed, weight);
        }
    }

    /// Takes off the sums of other entries, each so many times, which were among these. The maximum stays.
    pub(crate) fn take(&mut self, other: &Self, times: f64) {
        let maximum = self.maximum;
        self.add(other, -times);
        self.maximum = maximum;
    }

    /// The sums as numbers, the maximum apart.
    pub(crate) fn values(&self) -> [f64; SUMS] {
        [
            self.count,
            self.mean_b,
            self.square_rest,
            self.first,
            self.second,
            self.log_kernel,
            self.hazard,
            self.curvature,
            self.hazard_reach,
            self.curvature_reach,
            self.curvature_reach_squared,
        ]
    }

    /// The sums from such numbers, without a maximum.
    pub(crate) fn from_values(values: [f64; SUMS], shift: f64) -> Self {
        let [count, mean_b, square_rest, first, second, log_kernel, hazard, curvature, hazard_reach, curvature_reach, curvature_reach_squared] =
            values;
        Self {
            count,
            mean_b,
            square_rest,
            first,
            second,
            log_kernel,
            hazard,
            curvature,
            hazard_reach,
            curvature_reach,
            curvature_reach_squared,
            ..Self::empty(shift)
        }
    }

    /// All of them as numbers, to be sent elsewhere.
    pub(crate) fn to_numbers(self) -> Vec<f64> {
        let MixtureStats { shares, slopes } = self.mixed.unwrap_or(MixtureStats::NOTHING);
        let mixed = f64::from(u8::from(self.mixed.is_some()));
        [&self.values()[..], &[self.maximum, mixed], &shares, &slopes].concat()
    }

    /// The sums from such numbers.
    pub(crate) fn from_numbers(numbers: &[f64], shift: f64) -> Option<Self> {
        let (values, rest) = numbers.split_first_chunk::<SUMS>()?;
        let ([maximum, mixed], rest) = rest.split_first_chunk()?;
        let (shares, rest) = rest.split_first_chunk()?;
        let slopes = rest.first_chunk()?;
        Some(Self {
            maximum: *maximum,
            mixed: (*mixed > 0.0).then_some(MixtureStats { shares: *shares, slopes: *slopes }),
            ..Self::from_values(*values, shift)
        })
    }

    /// The mean of the residual.
    pub fn residual_mean(&self) -> f64 {
        self.shift + self.first / self.count
    }

    /// The variance of the residual, with the denominator `count`.
    pub fn residual_variance(&self) -> f64 {
        let offset = self.first / self.count;
        (self.second / self.count - offset * offset).max(0.0)
    }

    /// The log-likelihood of the residual.
    pub fn log_likelihood(&self, params: ResidualParams) -> f64 {
        self.count * params.lambda.ln() + self.log_kernel
    }
}
