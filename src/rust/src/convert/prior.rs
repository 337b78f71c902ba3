//! Priors, and what they say.

use super::custom::{CustomFamily, Failure};
use super::{Columns, Options};
use extendr_api::prelude::*;
use nmu_core::posterior::{FactorPosterior, LoadingPosterior};
use nmu_core::prior::{
    Exponential, Family, Flat, GeneralizedBinary, Maximum, Mixture, Observations, PointExponential, Prior, Shape,
};
use nmu_core::runtime::cancel::check;
use nmu_core::variational::PriorStage;

/// The priors of a schedule. R's errors cannot pass through the core: where one of its functions failed, what the core
/// found is of no use, and [`Priors::check`] says why.
pub(crate) struct Priors {
    pub(crate) families: Vec<Box<dyn Family>>,
    failure: Failure,
}

impl Priors {
    /// Takes a list of priors, in units in which what they are for is multiplied by `unit`.
    pub(crate) fn new(list: &List, unit: f64) -> Result<Self, String> {
        let failure = Failure::default();
        let family = |prior: Robj| family(&Options::from_object(prior, "a prior")?, unit, &failure);
        let families = list.values().map(family).collect::<Result<_, String>>()?;
        Ok(Self { families, failure })
    }

    /// The stages of a schedule, of which these are the priors of the rows.
    pub(crate) fn with<'a>(&'a self, columns: &'a Self) -> Vec<PriorStage<'a>> {
        let pairs = self.families.iter().zip(&columns.families);
        pairs.map(|(rows, columns)| PriorStage { rows: rows.as_ref(), columns: columns.as_ref() }).collect()
    }

    /// Whether a function of R failed.
    pub(crate) fn failed(&self) -> bool {
        self.failure.check().is_err()
    }

    /// The first failure of a function of R, if there was one.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.failure.check()
    }
}

fn family(options: &Options, unit: f64, failure: &Failure) -> Result<Box<dyn Family>, String> {
    let number = |name: &str| options.get::<Option<f64>>(name);
    // The rate is in units of 1/w, the location and scales in units of w.
    let rate = || number("rate").map(|rate| rate.map(|rate| rate / unit));
    let location = || number("location").map(|location| location.map(|location| location * unit));
    let told = |error: nmu_core::error::Error| error.to_string();
    Ok(match options.text("family")?.as_str() {
        "flat" => Box::new(Flat),
        "maximum" => Box::new(Maximum),
        "exponential" => Box::new(Exponential::new(rate()?).map_err(told)?),
        "point_exponential" => Box::new(PointExponential::new(number("weight")?, rate()?).map_err(told)?),
        "binary" => Box::new(GeneralizedBinary::new(number("weight")?, location()?, number("ratio")?).map_err(told)?),
        "mixture" => {
            let scales: Option<Vec<f64>> = options.get("scales")?;
            let scales = scales.map(|scales| scales.iter().map(|scale| scale * unit).collect());
            Box::new(Mixture::new(shape(&options.text("shape")?)?, scales, options.get("weights")?).map_err(told)?)
        }
        "custom" => Box::new(CustomFamily {
            estimate: options.get("estimate")?,
            posterior: options.get("posterior")?,
            unit,
            failure: failure.clone(),
        }),
        other => return Err(format!("there is no prior {other}")),
    })
}

fn shape(name: &str) -> Result<Shape, String> {
    match name {
        "half_normal" => Ok(Shape::HalfNormal),
        "exponential" => Ok(Shape::Exponential),
        other => Err(format!("there is no shape {other}")),
    }
}

/// The hyperparameters by name, in the units of R; the core's are those of `unit` times what the prior is for.
pub(crate) fn hyperparameter_list(prior: &dyn Prior, unit: f64) -> List {
    let (names, values): (Vec<String>, Vec<Vec<f64>>) = prior
        .hyperparameters()
        .into_iter()
        .map(|known| {
            let scale = unit.powi(known.power);
            (known.name.into_owned(), known.values.iter().map(|value| value / scale).collect())
        })
        .unzip();
    List::from_names_and_values(names, values).unwrap_or_default()
}

/// The observations of which the posteriors are held at a time.
const MAX_HELD: usize = 1 << 16;

/// Writes what a prior says of each observation, in the units of the core: mean, second moment, variance, the probability
/// of zero, and the log of the marginal density.
pub(crate) fn write_posteriors(
    prior: &dyn Prior,
    x: &[f64],
    s: &[f64],
    columns: &mut Columns<5>,
) -> Result<(), String> {
    let mut slots = columns.slots();
    for (x, s) in x.chunks(MAX_HELD).zip(s.chunks(MAX_HELD)) {
        check();
        let observations = Observations::new(x, s).map_err(|error| error.to_string())?;
        for of in prior.posteriors(&observations) {
            slots.write([of.mean, of.second_moment, of.variance, of.lfsr, of.log_marginal]);
        }
    }
    Ok(())
}

/// A prior, in the units of R, and what [`write_posteriors`] wrote.
pub(crate) fn normal_means_list(prior: &dyn Prior, columns: Columns<5>, unit: f64) -> List {
    let [mean, second, var, zero, log_marginal] = columns.into_vectors();
    list!(
        hyperparameters = hyperparameter_list(prior, unit),
        mean = mean,
        second_moment = second,
        var = var,
        lfsr = zero,
        log_marginal = log_marginal
    )
}

/// What is believed of the loadings of each factor, in units of the norm of their means, in which R has them.
pub(crate) fn posteriors_list(beliefs: &[Option<&FactorPosterior>], scale: f64) -> Robj {
    if beliefs.iter().all(Option::is_none) {
        return ().into();
    }
    let side = |of: fn(&FactorPosterior) -> Option<&LoadingPosterior>| {
        let factor = |beliefs: &Option<&FactorPosterior>| -> Robj {
            beliefs
                .and_then(|beliefs| of(beliefs).map(|belief| posterior_list(belief, beliefs, scale).into()))
                .unwrap_or_default()
        };
        List::from_values(beliefs.iter().map(factor))
    };
    list!(rows = side(|beliefs| Some(&beliefs.rows)), columns = side(|beliefs| beliefs.columns.as_ref())).into()
}

fn posterior_list(belief: &LoadingPosterior, beliefs: &FactorPosterior, scale: f64) -> List {
    let norm = belief.norm();
    let deviation = |variance: &f64| if norm > 0.0 { variance.sqrt() / norm } else { 0.0 };
    let even = beliefs.even_norm();
    let unit = if even > 0.0 { scale.sqrt() * norm / even } else { scale.sqrt() };
    list!(
        sd = belief.variance.iter().map(deviation).collect::<Vec<f64>>(),
        lfsr = belief.zero.clone(),
        hyperparameters = hyperparameter_list(belief.prior(), unit),
        kl = belief.kl
    )
}
