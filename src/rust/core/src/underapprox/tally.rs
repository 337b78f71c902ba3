//! How a low-rank part compares with its matrix, and the count of it, entry by entry.

/// How a low-rank part `W = Σ_k d_k u_k v_kᵀ` compares with its matrix over the observed entries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Certificate {
    /// The largest `W_ij − A_ij` over entries with `A_ij ≥ 0`; 0 where none is positive.
    pub largest_violation: f64,
    /// The number of entries with `0 ≤ A_ij < W_ij`.
    pub violated: f64,
    /// The number of entries with `A_ij ≥ 0`.
    pub checked: f64,
    /// The number of entries with `A_ij < 0`, of which no nonnegative factors are an underapproximation.
    pub negative: f64,
    /// `violated/checked`; 0 where there is nothing to check.
    pub share: f64,
    /// `‖A − W‖/‖A‖` in the Frobenius norm; 0 where A is zero.
    pub error: f64,
}

/// A certificate in the making.
#[derive(Default)]
pub(super) struct Tally {
    certificate: Certificate,
    /// `‖A − W‖²` and `‖A‖²`, in units whose squares do not overflow.
    rest: f64,
    all: f64,
}

impl Tally {
    pub(super) fn add(&mut self, entry: f64, sum: f64, unit: f64) {
        let found = &mut self.certificate;
        self.rest += ((entry - sum) / unit).powi(2);
        self.all += (entry / unit).powi(2);
        if entry < 0.0 {
            found.negative += 1.0;
            return;
        }
        found.checked += 1.0;
        if sum > entry {
            found.violated += 1.0;
            found.largest_violation = found.largest_violation.max(sum - entry);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let (found, part) = (&mut self.certificate, &other.certificate);
        found.largest_violation = found.largest_violation.max(part.largest_violation);
        found.violated += part.violated;
        found.checked += part.checked;
        found.negative += part.negative;
        self.rest += other.rest;
        self.all += other.all;
    }

    pub(super) fn largest_violation(&self) -> f64 {
        self.certificate.largest_violation
    }

    /// Zeros, of which some are violated, at most by `worst`; `rest` is the sum of the squares there.
    pub(super) fn add_zeros(&mut self, count: f64, violated: f64, worst: f64, rest: f64) {
        let found = &mut self.certificate;
        found.checked += count;
        found.violated += violated;
        found.largest_violation = found.largest_violation.max(worst);
        self.rest += rest;
    }

    pub(super) fn finish(self) -> Certificate {
        let found = self.certificate;
        Certificate { share: ratio(found.violated, found.checked), error: ratio(self.rest, self.all).sqrt(), ..found }
    }
}

/// A share of nothing is zero.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        part / whole
    } else {
        0.0
    }
}
