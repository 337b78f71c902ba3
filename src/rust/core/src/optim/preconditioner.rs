//! Preconditioner of the optimizer: an estimate of minus the inverse of the Hessian.

use crate::support::supports;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// Diagonal inverse curvatures, and blocks of coordinates whose curvatures are coupled.
pub(crate) struct Preconditioner {
    /// Positive inverse curvatures.
    pub(crate) diagonal: Vec<f64>,
    /// `[H₁₁, H₁₂, H₂₂]` of the last two coordinates. It is used where it is negative definite and both are free.
    pub(crate) pair: Option<[f64; 3]>,
    /// Coupled coordinates; each coordinate is in at most one coupling.
    pub(crate) couplings: Vec<Coupling>,
}

/// Coordinates that are coupled in blocks, all of the same form: the `i`th block has the coordinates `offsets[k] + i`. Minus
/// its Hessian is `S C S`, with `S` the roots of the diagonal curvatures.
pub(crate) struct Coupling {
    /// First coordinate of each member.
    pub(crate) offsets: Vec<usize>,
    /// Number of blocks.
    pub(crate) length: usize,
    /// `C`, positive definite.
    pub(crate) correlation: Mat<f64>,
}

impl Preconditioner {
    /// A diagonal preconditioner.
    #[cfg(test)]
    pub(crate) fn diagonal(diagonal: Vec<f64>) -> Self {
        Self { diagonal, pair: None, couplings: Vec::new() }
    }

    /// The norm of a step in the metric of the diagonal curvatures.
    pub(crate) fn norm(&self, step: &[f64]) -> f64 {
        step.iter().zip(&self.diagonal).map(|(x, inverse)| x * x / inverse).sum::<f64>().sqrt()
    }

    /// The preconditioner times a vector that is zero outside the free coordinates; its diagonal alone unless `coupled`.
    pub(crate) fn apply(&self, vector: &[f64], free: &[bool], coupled: bool) -> Vec<f64> {
        let mut image: Vec<f64> = vector.iter().zip(&self.diagonal).map(|(x, inverse)| x * inverse).collect();
        if !coupled {
            return image;
        }
        for coupling in &self.couplings {
            coupling.apply(vector, &self.diagonal, free, &mut image);
        }
        let n = vector.len();
        if let Some([first, mixed, second]) = self.pair {
            let determinant = first * second - mixed * mixed;
            if free[n - 2] && free[n - 1] && first < 0.0 && determinant > 0.0 {
                let (x, y) = (vector[n - 2], vector[n - 1]);
                image[n - 2] = (mixed * y - second * x) / determinant;
                image[n - 1] = (mixed * x - first * y) / determinant;
            }
        }
        image
    }
}

impl Coupling {
    /// Writes `S⁻¹ C⁻¹ S⁻¹ x` of each block, restricted to its free coordinates. Blocks with the same free coordinates share one
    /// decomposition.
    fn apply(&self, vector: &[f64], diagonal: &[f64], free: &[bool], image: &mut [f64]) {
        let is_free = |member: usize, block: usize| free[self.offsets[member] + block];
        for pattern in supports(self.offsets.len(), self.length, is_free) {
            let members: Vec<usize> = pattern.factors().collect();
            if members.len() < 2 {
                continue;
            }
            let correlation =
                Mat::from_fn(members.len(), members.len(), |i, j| self.correlation[(members[i], members[j])]);
            let Ok(decomposition) = correlation.llt(Side::Lower) else { continue };
            let coordinate =
                |member: usize, block: usize| self.offsets[members[member]] + pattern.elements[block] as usize;
            let scaled = Mat::from_fn(members.len(), pattern.elements.len(), |member, block| {
                let index = coordinate(member, block);
                vector[index] * diagonal[index].sqrt()
            });
            let solution = decomposition.solve(&scaled);
            for block in 0..pattern.elements.len() {
                for member in 0..members.len() {
                    let index = coordinate(member, block);
                    image[index] = solution[(member, block)] * diagonal[index].sqrt();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::optim::preconditioner::{Coupling, Preconditioner};
    use faer::Mat;

    #[test]
    fn coupled_coordinates_solve_their_blocks() {
        // Coordinates 0 and 3, 1 and 4, 2 and 5 are coupled; 4 is not free.
        let correlation = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 0.5 });
        let coupling = Coupling { offsets: vec![0, 3], length: 3, correlation };
        let diagonal = vec![1.0, 0.25, 4.0, 1.0, 1.0, 0.25];
        let preconditioner = Preconditioner { diagonal, pair: None, couplings: vec![coupling] };
        let free = [true, true, true, true, false, true];
        let image = preconditioner.apply(&[1.0, 2.0, 3.0, 0.5, 0.0, -1.0], &free, true);
        // Minus the Hessian of the third block is [1/4, 1/2; 1/2, 4], of the first [1, 1/2; 1/2, 1].
        let expected = [1.0, 0.5, 50.0 / 3.0, 0.0, 0.0, -7.0 / 3.0];
        for (actual, expected) in image.iter().zip(expected) {
            assert!((actual - expected).abs() < 1e-12, "{image:?}");
        }
    }
}
