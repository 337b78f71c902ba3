//! The largest value of a function of one variable that may have several hills, by its slope.
//!
//! Values tell the top of a hill only to half of their digits; where the slope crosses 0 is known to almost all of
//! them.

/// What is known at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point<T> {
    pub(crate) at: f64,
    pub(crate) value: f64,
    pub(crate) slope: f64,
    /// What comes with the value.
    pub(crate) with: T,
}

/// The highest of the two ends and of all the tops that rising `knots`, which were looked at, tell apart: a slope that is
/// positive at one and not at the next has a top between them. Of equals, the leftmost.
pub(crate) fn highest<T: Copy>(knots: &[Point<T>], mut look: impl FnMut(f64) -> Point<T>) -> Point<T> {
    let mut left = knots[0];
    let mut best = left;
    for &right in &knots[1..] {
        if left.slope > 0.0 && right.slope <= 0.0 {
            let top = crossing(left, right, &mut look);
            best = if top.value > best.value { top } else { best };
        }
        left = right;
    }
    if left.value > best.value {
        left
    } else {
        best
    }
}

/// Half the bracket at which a crossing is found, relative to its place or, near 0, absolute.
const PRECISION: f64 = 1e-15;

/// More than bisection alone would need.
const MAX_STEPS: usize = 200;

/// Where a slope that is positive on the left and not positive on the right crosses 0.
///
/// Inverse quadratic interpolation where that is safe, and bisection elsewhere (T. R. Chandrupatla 1997, A new hybrid
/// quadratic/bisection algorithm for finding the zero of a nonlinear function without using derivatives, *Advances in
/// Engineering Software* 28, 145-149). The bracket always has a positive slope on its left: a jump upwards is not
/// taken.
pub(crate) fn crossing<T: Copy>(left: Point<T>, right: Point<T>, mut look: impl FnMut(f64) -> Point<T>) -> Point<T> {
    let (mut newest, mut other) = (left, right);
    let mut share = 0.5_f64;
    for _ in 0..MAX_STEPS {
        let nearest = if newest.slope.abs() < other.slope.abs() { newest } else { other };
        let precision = PRECISION * nearest.at.abs().max(1.0) / (other.at - newest.at).abs();
        if nearest.slope == 0.0 || precision >= 0.5 {
            return nearest;
        }
        let at = newest.at + share.clamp(precision, 1.0 - precision) * (other.at - newest.at);
        let next = look(at);
        let oldest =
            if (next.slope > 0.0) == (newest.slope > 0.0) { newest } else { std::mem::replace(&mut other, newest) };
        newest = next;
        share = interpolate(newest, other, oldest).unwrap_or(0.5);
    }
    newest
}

/// The way from the newest point to the other side of the bracket after which a parabola through three points crosses
/// 0, where it is monotone.
fn interpolate<T>(newest: Point<T>, other: Point<T>, oldest: Point<T>) -> Option<f64> {
    let place = (newest.at - other.at) / (oldest.at - other.at);
    let height = (newest.slope - other.slope) / (oldest.slope - other.slope);
    let safe = height * height < place && (1.0 - height) * (1.0 - height) < 1.0 - place;
    safe.then(|| {
        let ahead = newest.slope / (other.slope - newest.slope) * (oldest.slope / (other.slope - oldest.slope));
        let behind = (oldest.at - newest.at) / (other.at - newest.at) * newest.slope / (oldest.slope - newest.slope)
            * (other.slope / (oldest.slope - other.slope));
        ahead + behind
    })
}
