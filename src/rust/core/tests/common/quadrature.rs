//! Posteriors of a normal mean by numerical integration of likelihood times prior.

use nmu_core::distributions::mills::{truncated_moments, HALF_LOG_TAU};

/// A component of a prior, given by its log-density, or the point mass at 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Component {
    Zero,
    Flat,
    Exponential { rate: f64 },
    Normal { mean: f64, sd: f64 },
}

/// Results of the integration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) second_moment: f64,
    pub(crate) variance: f64,
    pub(crate) lfsr: f64,
    pub(crate) log_marginal: f64,
}

impl Component {
    fn log_density(&self, w: f64) -> f64 {
        match *self {
            Self::Zero | Self::Flat => 0.0,
            Self::Exponential { rate } => rate.ln() - rate * w,
            Self::Normal { mean, sd } => {
                -0.5 * ((w - mean) / sd).powi(2) - HALF_LOG_TAU - sd.ln() - truncated_moments(mean / sd).log_mass
            }
        }
    }

    fn integrate(&self, x: f64, s: f64) -> Moments {
        let log_normal = |w: f64| -0.5 * ((x - w) / s).powi(2) - HALF_LOG_TAU - s.ln();
        if let Self::Zero = self {
            return Moments { mean: 0.0, second_moment: 0.0, variance: 0.0, lfsr: 1.0, log_marginal: log_normal(0.0) };
        }
        let log = |w: f64| log_normal(w) + self.log_density(w);
        let panels = panels(&log, s);
        let peak = panels.iter().map(|&(from, _)| log(from)).fold(f64::NEG_INFINITY, f64::max);
        let integral = |f: &dyn Fn(f64) -> f64| -> f64 {
            panels.iter().map(|&(from, to)| legendre(from, to, |w| f(w) * (log(w) - peak).exp())).sum()
        };
        let mass = integral(&|_| 1.0);
        let mean = integral(&|w| w) / mass;
        Moments {
            mean,
            second_moment: integral(&|w| w * w) / mass,
            variance: integral(&|w| (w - mean).powi(2)) / mass,
            lfsr: 0.0,
            log_marginal: peak + mass.ln(),
        }
    }
}

/// Returns the posterior under a mixture of weighted components.
pub(crate) fn posterior(components: &[(f64, Component)], x: f64, s: f64) -> Moments {
    let moments: Vec<(f64, Moments)> = components
        .iter()
        .filter(|(weight, _)| *weight > 0.0)
        .map(|(weight, component)| (*weight, component.integrate(x, s)))
        .collect();
    let largest = moments.iter().map(|(_, q)| q.log_marginal).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = moments.iter().map(|(weight, q)| weight * (q.log_marginal - largest).exp()).sum();
    let average = |value: &dyn Fn(&Moments) -> f64| -> f64 {
        moments.iter().map(|(weight, q)| weight * (q.log_marginal - largest).exp() * value(q)).sum::<f64>() / total
    };
    let mean = average(&|q| q.mean);
    Moments {
        mean,
        second_moment: average(&|q| q.second_moment),
        variance: average(&|q| q.variance + (q.mean - mean).powi(2)),
        lfsr: average(&|q| q.lfsr),
        log_marginal: largest + total.ln(),
    }
}

/// Returns intervals on which a log-concave function on `[0, ∞)` varies slowly, covering its non-negligible part.
fn panels(log: &dyn Fn(f64) -> f64, scale: f64) -> Vec<(f64, f64)> {
    let mut end = 1e-6 * scale;
    while log(2.0 * end) > log(end) {
        end *= 2.0;
    }
    let (mut from, mut to) = (0.0, 2.0 * end);
    for _ in 0..200 {
        let (left, right) = (from + 0.382 * (to - from), from + 0.618 * (to - from));
        if log(left) < log(right) {
            from = left;
        } else {
            to = right;
        }
    }
    let mode = if log(0.0) >= log(to) { 0.0 } else { to };
    let mut panels = Vec::new();
    for side in [-1.0, 1.0] {
        let mut width = 1e-9 * (scale + mode);
        while log((mode + side * width).max(0.0)) > log(mode) - 1.0 && mode + side * width > 0.0 {
            width *= 2.0;
        }
        let mut from = mode;
        while log(from) > log(mode) - 60.0 && (side > 0.0 || from > 0.0) {
            let to = (from + 0.5 * side * width).max(0.0);
            panels.push(if side > 0.0 { (from, to) } else { (to, from) });
            from = to;
        }
    }
    panels
}

/// Gauss-Legendre quadrature with 20 points.
fn legendre(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    const COUNT: usize = 20;
    thread_local! {
        static RULE: Vec<(f64, f64)> = rule(COUNT);
    }
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    RULE.with(|rule| rule.iter().map(|(node, weight)| half * weight * f(middle + half * node)).sum())
}

/// Returns the nodes and weights of the quadrature, by Newton's method on the Legendre polynomial.
fn rule(count: usize) -> Vec<(f64, f64)> {
    let pair = |index: usize| {
        let mut x = (std::f64::consts::PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..20 {
            let (mut previous, mut current) = (1.0, x);
            for degree in 2..=count {
                let degree = degree as f64;
                (previous, current) =
                    (current, ((2.0 * degree - 1.0) * x * current - (degree - 1.0) * previous) / degree);
            }
            slope = count as f64 * (x * current - previous) / (x * x - 1.0);
            x -= current / slope;
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(pair).collect()
}
