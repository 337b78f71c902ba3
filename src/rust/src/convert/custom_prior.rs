//! Priors whose functions are written in R. If one fails, the call ends (see [`fail`]).

use super::units::LoadingUnits;
use super::{message, Options};
use crate::stop::fail;
use extendr_api::prelude::*;
use nmu_core::prior::{Family, Hyperparameter, Observations, Posterior, Prior};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;

/// Calls a function that R has wrapped so that it never throws and returns `list(ok, err)`.
///
/// Should it end in another way all the same, extendr evaluates it under a handler of its own.
fn call(function: &Function, arguments: Pairlist) -> Result<Robj, String> {
    let answer = function.call(arguments).map_err(|error| error.to_string())?;
    let answer = Options::from_object(answer, "the answer of a prior's function")?;
    match answer.get::<Option<String>>("err")? {
        Some(reason) => Err(reason),
        None => answer.get::<Robj>("ok"),
    }
}

/// A family of priors with two functions of R, which see their arguments in the units of R.
#[derive(Clone)]
pub(super) struct CustomFamily {
    pub(super) estimate: Function,
    pub(super) posterior: Function,
    pub(super) units: LoadingUnits,
}

impl fmt::Debug for CustomFamily {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("CustomFamily")
    }
}

impl CustomFamily {
    /// The arguments `x` and `s`, in the units of R.
    fn in_units_of_r(&self, observations: &Observations) -> (Vec<f64>, Vec<f64>) {
        observations.iter().map(|(x, s)| (self.units.observation(x), self.units.observation(s))).unzip()
    }

    /// The estimate, from the value of an earlier one or `NULL`.
    fn try_estimate(&self, previous: Robj, observations: &Observations) -> Result<CustomPrior, String> {
        let (x, s) = self.in_units_of_r(observations);
        let estimated = call(&self.estimate, pairlist!(x = x, s = s, previous = previous))?;
        let hyperparameters = hyperparameters(&estimated)?;
        Ok(CustomPrior { family: self.clone(), estimated, hyperparameters })
    }
}

impl Family for CustomFamily {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        Box::new(self.try_estimate(NULL.into(), observations).unwrap_or_else(|reason| fail(reason)))
    }

    /// R recognises whether the earlier estimate is one of the same prior.
    fn estimate_from(&self, previous: &dyn Prior, observations: &Observations) -> Box<dyn Prior> {
        let previous = previous.as_any().and_then(|prior| prior.downcast_ref::<CustomPrior>());
        let previous = previous.map_or_else(|| NULL.into(), |prior| prior.estimated.clone());
        Box::new(self.try_estimate(previous, observations).unwrap_or_else(|reason| fail(reason)))
    }
}

/// The named numbers in what R's `estimate` returned: `list(g, numbers)`.
fn hyperparameters(estimated: &Robj) -> Result<Vec<Hyperparameter>, String> {
    let numbers = Options::from_object(estimated.clone(), "an estimated prior")?.get::<List>("numbers")?;
    let hyperparameter = |(name, values): (&str, Robj)| {
        let values = values.as_real_vector().ok_or_else(|| format!("hyperparameter {name} is not a double vector"))?;
        // R's functions work in its units, whatever those of the core are: nothing is to be converted.
        Ok(Hyperparameter { name: Cow::Owned(name.to_string()), values, power: 0 })
    };
    numbers.iter().map(hyperparameter).collect()
}

/// A prior that R's `estimate` returned.
struct CustomPrior {
    family: CustomFamily,
    /// A list of `g`, which may be any object of R, of its numbers and of the prior that it belongs to.
    estimated: Robj,
    hyperparameters: Vec<Hyperparameter>,
}

impl fmt::Debug for CustomPrior {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_tuple("CustomPrior").field(&self.hyperparameters).finish()
    }
}

impl CustomPrior {
    fn try_posteriors(&self, observations: &Observations) -> Result<Vec<Posterior>, String> {
        let CustomFamily { posterior, units, .. } = &self.family;
        let (x, s) = self.family.in_units_of_r(observations);
        let count = x.len();
        // A `g` that is a call would be evaluated as an argument; the list around it stays as it is.
        let arguments = pairlist!(x = x, s = s, found = self.estimated.clone());
        let answer = Options::from_object(call(posterior, arguments)?, "the posterior")?;
        let column = |name: &str| -> Result<Vec<f64>, String> {
            let values: Vec<f64> = answer.get(name)?;
            if values.len() == count {
                Ok(values)
            } else {
                Err(format!("the posterior has {} values of {name} for {count} observations", values.len()))
            }
        };
        let (means, variances) = (column("mean")?, column("var")?);
        let (lfsrs, log_marginals) = (column("lfsr")?, column("log_marginal")?);
        let posterior = |index: usize| {
            let (mean, variance) = (units.mean_for_core(means[index]), units.variance_for_core(variances[index]));
            Posterior {
                mean,
                second_moment: mean * mean + variance,
                variance,
                lfsr: lfsrs[index],
                log_marginal: units.log_marginal_for_core(log_marginals[index]),
            }
        };
        Ok((0..count).map(posterior).collect())
    }
}

impl Prior for CustomPrior {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let posterior = Observations::new(std::slice::from_ref(&x), std::slice::from_ref(&s))
            .map_err(message)
            .and_then(|observation| self.try_posteriors(&observation))
            .and_then(|mut posteriors| posteriors.pop().ok_or_else(|| "the posterior is empty".to_string()));
        posterior.unwrap_or_else(|reason| fail(reason))
    }

    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        self.try_posteriors(observations).unwrap_or_else(|reason| fail(reason))
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        self.hyperparameters.clone()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}
