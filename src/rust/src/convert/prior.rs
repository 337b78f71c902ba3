//! Priors of loadings, and their posteriors.

use super::custom_prior::CustomFamily;
use super::units::LoadingUnits;
use super::{message, Columns, Options, Units};
use extendr_api::prelude::*;
use nmu_core::fit::PriorStage;
use nmu_core::posterior::{FactorPosterior, LoadingPosterior};
use nmu_core::prior::{
    Exponential, Family, Flat, GeneralizedBinary, Maximum, Mixture, Observations, PointExponential, Prior, Shape,
};
use nmu_core::runtime::cancel::check;
use nmu_core::vector::Contiguous;

/// The priors of one side of a schedule.
pub(crate) struct Priors(Vec<Box<dyn Family>>);

impl Priors {
    /// Converts a list of priors.
    pub(super) fn new(list: &List, units: LoadingUnits) -> Result<Self, String> {
        let family = |prior: Robj| family(&Options::from_object(prior, "a prior")?, units);
        list.values().map(family).collect::<Result<_, String>>().map(Self)
    }

    /// The only prior.
    ///
    /// # Errors
    /// An internal error if there are none or several.
    pub(crate) fn only(&self) -> Result<&dyn Family, String> {
        match &self.0[..] {
            [family] => Ok(family.as_ref()),
            several => Err(format!("internal error: {} priors where one is needed", several.len())),
        }
    }

    /// The stages of a schedule with these priors of the rows and others of the columns.
    ///
    /// # Errors
    /// An internal error if the two sides have different numbers of stages.
    pub(crate) fn stages_with<'a>(&'a self, columns: &'a Self) -> Result<Vec<PriorStage<'a>>, String> {
        if self.0.len() != columns.0.len() {
            return Err("internal error: rows and columns have different numbers of priors".to_string());
        }
        let pairs = self.0.iter().zip(&columns.0);
        Ok(pairs.map(|(rows, columns)| PriorStage { rows: rows.as_ref(), columns: columns.as_ref() }).collect())
    }
}

fn family(options: &Options, units: LoadingUnits) -> Result<Box<dyn Family>, String> {
    let number = |name: &str| options.get::<Option<f64>>(name);
    let weight = || number("weight");
    let rate = || number("rate").map(|rate| rate.map(|rate| units.rate_for_core(rate)));
    let location = || number("location").map(|location| location.map(|location| units.length_for_core(location)));
    Ok(match options.text("family")?.as_str() {
        "flat" => Box::new(Flat),
        "maximum" => Box::new(Maximum),
        "exponential" => Box::new(Exponential::new(rate()?).map_err(message)?),
        "point_exponential" => Box::new(PointExponential::new(weight()?, rate()?).map_err(message)?),
        "binary" => Box::new(GeneralizedBinary::new(weight()?, location()?, number("ratio")?).map_err(message)?),
        "mixture" => {
            let scales: Option<Vec<f64>> = options.get("scales")?;
            let scales = scales.map(|scales| scales.iter().map(|&scale| units.length_for_core(scale)).collect());
            let shape = shape(&options.text("shape")?)?;
            Box::new(Mixture::new(shape, scales, options.get("weights")?).map_err(message)?)
        }
        "custom" => {
            Box::new(CustomFamily { estimate: options.get("estimate")?, posterior: options.get("posterior")?, units })
        }
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

/// The hyperparameters by name.
fn hyperparameter_list(prior: &dyn Prior, units: LoadingUnits) -> Result<List, String> {
    let (names, values): (Vec<String>, Vec<Vec<f64>>) = prior
        .hyperparameters()
        .into_iter()
        .map(|known| (known.name.into_owned(), units.hyperparameter(&known.values, known.power)))
        .unzip();
    List::from_names_and_values(names, values).map_err(|error| format!("internal error: {error}"))
}

/// Maximum number of observations whose posteriors are held at a time.
const MAX_HELD: usize = 1 << 16;

/// Writes the posterior of each observation, in the units of the core: mean, second moment, variance, the probability of
/// zero, and the log of the marginal density.
pub(crate) fn write_posteriors(
    prior: &dyn Prior,
    x: &[f64],
    s: &[f64],
    columns: &mut Columns<5>,
) -> Result<(), String> {
    for (x, s) in x.chunks(MAX_HELD).zip(s.chunks(MAX_HELD)) {
        check();
        let observations = Observations::new(x, s).map_err(message)?;
        let posteriors = prior.posteriors(&observations);
        columns.write(posteriors.iter().map(|q| [q.mean, q.second_moment, q.variance, q.lfsr, q.log_marginal]));
    }
    Ok(())
}

/// The hyperparameters of a prior, and what [`write_posteriors`] wrote.
pub(crate) fn normal_means_list(prior: &dyn Prior, columns: Columns<5>, units: LoadingUnits) -> Result<List, String> {
    let [mean, second_moment, var, lfsr, log_marginal] = columns.into_vectors()?;
    Ok(list!(
        hyperparameters = hyperparameter_list(prior, units)?,
        mean = mean,
        second_moment = second_moment,
        var = var,
        lfsr = lfsr,
        log_marginal = log_marginal
    ))
}

/// The posteriors of loadings: lists `rows` and `columns` with an element for each factor, `NULL` if it has no priors or if
/// its columns are its rows. `NULL` if no factor has priors.
pub(super) fn posteriors_list(factors: &[Option<&FactorPosterior>], units: Units) -> Result<Robj, String> {
    if factors.iter().all(Option::is_none) {
        return Ok(NULL.into());
    }
    let side = |side_of: fn(&FactorPosterior) -> Option<&LoadingPosterior>| -> Result<List, String> {
        let element = |factor: &Option<&FactorPosterior>| -> Result<Robj, String> {
            let Some((factor, side)) = factor.and_then(|factor| Some((factor, side_of(factor)?))) else {
                return Ok(NULL.into());
            };
            loading_posterior_list(side, factor, units).map(Into::into)
        };
        factors.iter().map(element).collect::<Result<Vec<Robj>, String>>().map(List::from_values)
    };
    let (rows, columns) = (side(|factor| Some(&factor.rows))?, side(|factor| factor.columns.as_ref())?);
    Ok(list!(rows = rows, columns = columns).into())
}

/// The posterior of one side of a factor. R has the means of unit norm, so everything is in units of their norm.
fn loading_posterior_list(side: &LoadingPosterior, factor: &FactorPosterior, units: Units) -> Result<List, String> {
    let norm = side.norm();
    let sd = |variance: &f64| if norm > 0.0 { variance.sqrt() / norm } else { 0.0 };
    let units = units.of_loadings().normalised(norm, factor.even_norm());
    Ok(list!(
        sd = side.variance.iter().map(sd).collect::<Vec<f64>>(),
        lfsr = side.lfsr.as_slice(),
        hyperparameters = hyperparameter_list(side.prior(), units)?,
        kl = side.kl
    ))
}
