//! One random problem, its settings, and what must hold of its answer.

use nmu_core::bayes::Stage;
use nmu_core::certify;
use nmu_core::climb::{Climb, Rule};
use nmu_core::deflate::{deflate, Count, Deflation, Plan, Problem};
use nmu_core::fit::{Status, Trace};
use nmu_core::noise::{LawFamily, Moments, Noise, Scatter, Shares};
use nmu_core::observe::Progress;
use nmu_core::parallel::Threads;
use nmu_core::prior::{Binary, Exponential, Family, Maximum, Mixture, PointExponential, Shape};
use nmu_core::scan::{power_of_two_near, scan};
use nmu_core::storage::{Dense, Masked, Storage};
use nmu_core::view::Factor;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Cauchy, Distribution, Exp1, StandardNormal};
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// More than this on a matrix of a hundred entries is a hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// What an objective may lose to rounding, relative to its size and the number of entries.
const ROUNDING: f64 = 1e-10;

/// The number of the rule that is no climb.
const MOMENTS: usize = 3;
/// R's NA.
const MISSING: u64 = 0x7ff0_0000_0000_07a2;

pub(crate) struct Case {
    values: Vec<f64>,
    nrow: usize,
    symmetric: bool,
    kind: &'static str,
    settings: Settings,
}

#[derive(Debug)]
struct Settings {
    factors: usize,
    choose: bool,
    refine: bool,
    ignore_diagonal: bool,
    underapproximate: bool,
    rule: usize,
    prior: usize,
    threads: usize,
}

const KINDS: [&str; 9] =
    ["exponential", "normal", "binary", "zero", "constant", "low rank", "Cauchy", "equal columns", "wide range"];

impl Case {
    pub(crate) fn new(seed: u64) -> Self {
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        let (nrow, other) = (random.random_range(1..=10), random.random_range(1..=10));
        let square = random.random_bool(0.5);
        let ncol = if square { nrow } else { other };
        let symmetric = square && random.random_bool(0.6);
        let kind = *KINDS.choose(random).expect("there are kinds");
        let mut values = entries(kind, nrow, ncol, random);
        // Up to the sizes that R lets through.
        let scale = 10f64.powi(*[0, 0, 0, 5, -5, -100, 100, 140, -140].choose(random).expect("there are scales"));
        let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        if largest > 0.0 {
            let unit = if largest > 1e9 { largest } else { 1.0 };
            values.iter_mut().for_each(|value| *value *= scale / unit);
        }
        let holes = if random.random_bool(0.3) { random.random_range(0.0..1.0) } else { 0.0 };
        for value in &mut values {
            if random.random_bool(holes) {
                *value = f64::from_bits(MISSING);
            }
        }
        if symmetric {
            (0..ncol).for_each(|column| {
                (0..column).for_each(|row| values[row * nrow + column] = values[column * nrow + row]);
            });
        }
        // Where nothing is observed there is nothing to fit, and R says so.
        let observed = |(index, value): (usize, &f64)| !value.is_nan() && index / nrow != index % nrow;
        if !values.iter().enumerate().any(observed) {
            values.iter_mut().for_each(|value| *value = 0.0);
        }
        let settings = Settings {
            factors: random.random_range(1..=4.min(values.len())),
            choose: random.random_bool(0.25),
            refine: random.random_bool(0.6),
            ignore_diagonal: square && nrow > 1 && random.random_bool(0.2),
            underapproximate: random.random_bool(0.2),
            rule: random.random_range(0..7),
            prior: if random.random_bool(0.4) { random.random_range(1..6) } else { 0 },
            threads: random.random_range(1..=3),
        };
        Self { values, nrow, symmetric, kind, settings }
    }

    /// Fits it; what is wrong with the answer comes back as text.
    pub(crate) fn run(&self) -> Result<(), String> {
        let said = scan(&self.values, self.nrow);
        let ncol = self.values.len() / self.nrow;
        let dense = || Dense::from_columns(&self.values, self.nrow, ncol).map_err(|error| error.to_string());
        let storage: Box<dyn Storage> = match (self.settings.ignore_diagonal, said.missing > 0) {
            (true, _) => Box::new(Masked::without_diagonal(dense()?)),
            (false, true) => Box::new(Masked::new(dense()?)),
            (false, false) => Box::new(dense()?),
        };
        let scale = if said.rms > 0.0 { 1.0 / power_of_two_near(said.rms) } else { 1.0 };
        let problem = Problem { storage: storage.as_ref(), symmetric: self.symmetric, scale };
        let begun = Instant::now();
        let observer = &mut |_: Progress| {
            if begun.elapsed() > PATIENCE {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let threads = Threads::new(self.settings.threads);
        if self.settings.underapproximate {
            let found =
                certify::underapproximate(&problem, &certify::Settings::new(self.settings.factors), threads, observer)
                    .map_err(|error| error.to_string())?;
            let factors: Vec<Factor> = found.iter().map(|certified| certified.factor.clone()).collect();
            factors.iter().try_for_each(factor_is_legal)?;
            let certificate = certify::certificate(&problem, &factors, threads);
            hold(certificate.violated == 0.0, || format!("exceeds {} entries", certificate.violated))?;
            return hold(certificate.error.is_finite(), || "error not finite".to_string());
        }
        let prior = self.prior()?;
        let schedule = prior.iter().map(|prior| Stage { rows: prior.as_ref(), columns: prior.as_ref() }).collect();
        let (law, scatter) = (LawFamily::default(), Scatter::Even);
        let climb = Climb { rule: self.rule(), schedule, law, scatter, tolerance: 1e-8, iterations: 1000 };
        let count = self.settings.factors;
        let plan = Plan {
            count: if self.settings.choose { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: self.settings.refine,
            ..Plan::of(count)
        };
        let found = deflate(&problem, plan, &climb, threads, observer);
        // Moments take turns with a climb under priors, and maximise nothing.
        check(&found, self.settings.rule != MOMENTS || self.settings.prior == 0)
    }

    /// λ and σ are given in the units of the core, in which entries are near 1.
    fn rule(&self) -> Rule<'static> {
        let shares = |floor, cap| Shares { floor, cap };
        match self.settings.rule {
            0 => Rule::Likelihood(shares(0.01, 3.0), vec![0.5, 1.0, 2.0]),
            1 => Rule::Likelihood(shares(0.0, 1000.0), Vec::new()),
            2 => Rule::Likelihood(shares(0.1, 1.0), vec![4.0, 8.0]),
            MOMENTS => Rule::Alternate(&Moments, shares(0.01, 3.0)),
            4 => Rule::Fixed(Noise { lambda: 1.0, sigma: 0.1 }),
            5 => Rule::Fixed(Noise { lambda: 1e-4, sigma: 1e4 }),
            _ => Rule::Fixed(Noise { lambda: 1e4, sigma: 1e-4 }),
        }
    }

    fn prior(&self) -> Result<Option<Box<dyn Family>>, String> {
        let told = |error: nmu_core::error::Error| error.to_string();
        Ok(match self.settings.prior {
            0 => None,
            1 => Some(Box::new(Exponential::new(None).map_err(told)?)),
            2 => Some(Box::new(PointExponential::new(None, None).map_err(told)?)),
            3 => Some(Box::new(Binary::new(None, None, Some(0.02)).map_err(told)?)),
            4 => Some(Box::new(Mixture::new(Shape::HalfNormal, None, None).map_err(told)?)),
            _ => Some(Box::new(Maximum)),
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let (rows, columns) = (self.nrow, self.values.len() / self.nrow);
        let Self { symmetric, kind, settings, .. } = self;
        write!(formatter, "{rows} x {columns}, {kind}, symmetric: {symmetric}, {settings:?}")
    }
}

fn entries(kind: &str, nrow: usize, ncol: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let count = nrow * ncol;
    let constant = *[-1.0, 1.0, 5.0].choose(random).expect("there are constants");
    match kind {
        "exponential" => (0..count).map(|_| random.sample(Exp1)).collect(),
        "normal" => (0..count).map(|_| random.sample(StandardNormal)).collect(),
        "binary" => (0..count).map(|_| f64::from(u8::from(random.random_bool(0.3)))).collect(),
        "zero" => vec![0.0; count],
        "constant" => vec![constant; count],
        "Cauchy" => {
            let cauchy = Cauchy::new(0.0, 1.0).expect("a legal scale");
            (0..count).map(|_| cauchy.sample(random)).collect()
        }
        "wide range" => (0..count).map(|_| 10f64.powf(random.random_range(-12.0..12.0))).collect(),
        "equal columns" => {
            let column: Vec<f64> = (0..nrow).map(|_| random.sample(Exp1)).collect();
            column.repeat(ncol)
        }
        _ => {
            let mut side = |size: usize| -> Vec<f64> { (0..2 * size).map(|_| random.sample(Exp1)).collect() };
            let (u, v) = (side(nrow), side(ncol));
            let entry = |row: usize, column: usize| u[row] * v[column] + u[nrow + row] * v[ncol + column];
            (0..ncol).flat_map(|column| (0..nrow).map(move |row| (row, column))).map(|(i, j)| entry(i, j)).collect()
        }
    }
}

fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise())
    }
}

fn factor_is_legal(factor: &Factor) -> Result<(), String> {
    let legal = |loadings: &[f64]| loadings.iter().all(|loading| loading.is_finite() && *loading >= 0.0);
    let holds = factor.d.is_finite() && factor.d >= 0.0 && legal(&factor.u) && legal(factor.v());
    hold(holds, || format!("a factor with d = {}, u = {:?}, v = {:?}", factor.d, factor.u, factor.v()))
}

/// Within a stage the objective, the bound of the evidence where there are priors, never falls.
fn never_falls(trace: &[Trace], count: f64, what: &str) -> Result<(), String> {
    for pair in trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
        let objective = |row: &Trace| if row.elbo.is_nan() { row.log_likelihood } else { row.elbo };
        let (before, after) = (objective(&pair[0]), objective(&pair[1]));
        hold(before.is_finite() && after.is_finite(), || format!("{what}: an objective of {after} after {before}"))?;
        let lost = before - after;
        let rounding = ROUNDING * (before.abs() + count);
        let comparable = pair[0].elbo.is_nan() == pair[1].elbo.is_nan();
        hold(!comparable || lost <= rounding, || format!("{what}: {before} fell by {lost}"))?;
    }
    Ok(())
}

fn check(found: &Deflation, climbs: bool) -> Result<(), String> {
    let noise_is_legal = |noise: Noise| {
        let legal = [noise.lambda, noise.sigma].iter().all(|value| value.is_finite() && *value > 0.0);
        hold(legal, || format!("{noise:?}"))
    };
    for (index, fit) in found.fits.iter().enumerate() {
        factor_is_legal(&fit.factor)?;
        noise_is_legal(fit.noise)?;
        hold(fit.log_likelihood.is_finite(), || format!("log-likelihood {}", fit.log_likelihood))?;
        hold(fit.status != Status::Interrupted, || format!("factor {index} does not end"))?;
        if climbs {
            never_falls(&fit.trace, fit.count, &format!("factor {index}"))?;
        }
    }
    if let Some(refit) = &found.refit {
        refit.factors.iter().try_for_each(factor_is_legal)?;
        noise_is_legal(refit.noise)?;
        hold(refit.log_likelihood.is_finite(), || format!("log-likelihood {}", refit.log_likelihood))?;
        hold(refit.status != Status::Interrupted, || "the refit does not end".to_string())?;
        if climbs {
            never_falls(&refit.trace, refit.count, "refit")?;
        }
    }
    Ok(())
}
