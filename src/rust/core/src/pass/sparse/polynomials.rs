//! What a zero yields, as polynomials of what the factors say of it.

use crate::pass::sparse::chebyshev::{fit, Interval, POINTS};
use crate::pass::sparse::zero_row::RowYield;

/// The rounding that powers may add to a sum whose tolerance is not larger.
const ROUNDING: f64 = 1e-13;

/// The functions of `W` that are added up, a row of coefficients a power of `W/X`: product, curvature and all sums.
pub(crate) struct Polynomials(pub(crate) Vec<RowYield>);

impl Polynomials {
    /// Those on `[0, largest]`, where `zero` gives their values, of the least degree that will do; `None` where `wanted`
    /// values are not more than those that it takes to find them.
    pub(crate) fn up_to(largest: f64, tolerance: f64, wanted: usize, zero: impl Fn(f64) -> RowYield) -> Option<Self> {
        let interval = Interval::around([0.0, largest].into_iter());
        let series = fit(interval, tolerance, wanted, |points| points.iter().map(|&point| zero(point)).collect())?;
        let coefficients = series.coefficients();
        let size = |of: &dyn Fn(usize) -> f64| (0..coefficients.len()).map(of).fold(0.0, f64::max);
        let sizes: [f64; POINTS] = std::array::from_fn(|function| size(&|k| coefficients[k][function].abs()));
        let small =
            |found: &RowYield, tolerance: f64| found.iter().zip(&sizes).all(|(found, size)| *found <= tolerance * size);
        let mut left_out = [0.0; POINTS];
        let mut degree = coefficients.len() - 1;
        while degree > 0 {
            let more: [f64; POINTS] = std::array::from_fn(|f| left_out[f] + coefficients[degree][f].abs());
            if !small(&more, tolerance) {
                break;
            }
            left_out = more;
            degree -= 1;
        }
        let (mut powers, mut rounding) = (vec![[0.0; POINTS]; degree + 1], [0.0; POINTS]);
        let (mut polynomial, mut next) = (vec![1.0], vec![-1.0, 2.0]);
        for coefficients in &coefficients[..=degree] {
            for (power, place) in polynomial.iter().zip(&mut powers) {
                place.iter_mut().zip(coefficients).for_each(|(place, coefficient)| *place += coefficient * power);
            }
            let growth: f64 = polynomial.iter().map(|power| power.abs()).sum();
            rounding.iter_mut().zip(coefficients).for_each(|(r, c)| *r += f64::EPSILON * growth * c.abs());
            let after = shifted_chebyshev(&polynomial, &next);
            (polynomial, next) = (next, after);
        }
        small(&rounding, tolerance.max(ROUNDING)).then_some(Self(powers))
    }

    pub(crate) fn degree(&self) -> usize {
        self.0.len() - 1
    }
}

/// The powers of `T_{k+1}(2s − 1) = 2 (2s − 1) T_k − T_{k−1}`.
fn shifted_chebyshev(before: &[f64], last: &[f64]) -> Vec<f64> {
    let at = |powers: &[f64], power: usize| powers.get(power).copied().unwrap_or(0.0);
    let lower = |power: usize| if power == 0 { 0.0 } else { at(last, power - 1) };
    (0..=last.len()).map(|power| 4.0 * lower(power) - 2.0 * at(last, power) - at(before, power)).collect()
}
