//! Operations on vectors that faer lacks: contiguous access, and sums in an order that no instruction set changes.

use faer::Col;

/// Contiguous access to the elements of a column that faer owns.
pub trait Contiguous {
    /// The elements.
    fn as_slice(&self) -> &[f64];

    /// The elements, to be written.
    fn as_slice_mut(&mut self) -> &mut [f64];
}

impl Contiguous for Col<f64> {
    #[allow(clippy::expect_used)]
    fn as_slice(&self) -> &[f64] {
        self.try_as_col_major().expect("invariant: an owned column is contiguous").as_slice()
    }

    #[allow(clippy::expect_used)]
    fn as_slice_mut(&mut self) -> &mut [f64] {
        self.try_as_col_major_mut().expect("invariant: an owned column is contiguous").as_slice_mut()
    }
}

/// A column with these elements.
pub fn column(values: &[f64]) -> Col<f64> {
    values.iter().copied().collect()
}

/// `xᵀy`.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    // Eight running sums let the compiler use its registers; their order is fixed.
    const LANES: usize = 8;
    let (x_blocks, y_blocks) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    let rest: f64 = x_blocks.remainder().iter().zip(y_blocks.remainder()).map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in x_blocks.zip(y_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// `x_i²`.
pub(crate) fn squares(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x * x).collect()
}

/// The Euclidean norm, safe where the squares would overflow or vanish.
pub(crate) fn norm(x: &[f64]) -> f64 {
    let largest = x.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let square = dot(x, x);
    if square > 1e-280 && square < 1e280 {
        return square.sqrt();
    }
    let scaled: Vec<f64> = x.iter().map(|value| value / largest).collect();
    largest * dot(&scaled, &scaled).sqrt()
}

/// `y ← y + a x`.
#[inline(always)]
pub(crate) fn add_scaled(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

/// NoiseScales to unit norm; a zero vector stays.
pub(crate) fn normalise(x: &mut [f64]) {
    let length = norm(x);
    if length > 0.0 {
        for value in x {
            *value /= length;
        }
    }
}

/// `x₊/‖x₊‖`, or zero where nothing is positive.
pub(crate) fn truncate(x: &[f64]) -> Col<f64> {
    let mut positive: Vec<f64> = x.iter().map(|value| value.max(0.0)).collect();
    normalise(&mut positive);
    column(&positive)
}

/// Whether two entries are the same but for `slack`; not a number agrees with not a number.
pub(crate) fn agree(one: f64, other: f64, slack: f64) -> bool {
    (one - other).abs() <= slack || one == other || (one.is_nan() && other.is_nan())
}
