//! Priors that are written in R.

use super::Options;
use extendr_api::prelude::*;
use nmu_core::prior::{Family, Flat, Hyperparameter, Observations, Posterior, Prior};
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

/// What went wrong first in a function of R.
#[derive(Clone, Default)]
pub(super) struct Failure(Rc<RefCell<Option<String>>>);

impl Failure {
    /// Calls a function that R has wrapped so that it never throws: what it returns is `list(ok, err)`.
    ///
    /// Should it end in another way all the same, extendr evaluates under a handler of its own. Once one call has
    /// failed, no other is made.
    fn call(&self, function: &Function, arguments: Pairlist) -> Option<Robj> {
        self.check().ok()?;
        let answer = function.call(arguments).map_err(|error| error.to_string()).and_then(|answer| {
            let answer = Options::from_object(answer, "its answer")?;
            match answer.get::<Option<String>>("err")? {
                Some(reason) => Err(reason),
                None => answer.get::<Robj>("ok"),
            }
        });
        answer.map_err(|reason| self.note(reason)).ok()
    }

    /// The first failure, if there was one.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }

    fn note(&self, reason: String) {
        self.0.borrow_mut().get_or_insert(reason);
    }
}

/// A family whose two functions are R's; they see what they are for in its own units.
pub(super) struct CustomFamily {
    pub(super) estimate: Function,
    pub(super) posterior: Function,
    pub(super) unit: f64,
    pub(super) failure: Failure,
}

impl fmt::Debug for CustomFamily {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("CustomFamily")
    }
}

/// `x` and `s` in the units of R.
fn scaled_by(observations: &Observations, unit: f64) -> (Vec<f64>, Vec<f64>) {
    observations.iter().map(|(x, s)| (x / unit, s / unit)).unzip()
}

impl Family for CustomFamily {
    fn estimate(&self, observations: &Observations) -> Box<dyn Prior> {
        let (x, s) = scaled_by(observations, self.unit);
        match self.failure.call(&self.estimate, pairlist!(x = x, s = s)) {
            Some(found) => Box::new(CustomPrior {
                found,
                posterior: self.posterior.clone(),
                unit: self.unit,
                failure: self.failure.clone(),
            }),
            None => Box::new(Flat),
        }
    }
}

/// What R's `estimate` found: a list of `g`, whatever that is, and of the numbers in it, by name.
struct CustomPrior {
    found: Robj,
    posterior: Function,
    unit: f64,
    failure: Failure,
}

impl fmt::Debug for CustomPrior {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_tuple("CustomPrior").field(&self.hyperparameters()).finish()
    }
}

impl CustomPrior {
    /// The numbers among what was found, by name.
    fn numbers(&self) -> Option<List> {
        Options::from_object(self.found.clone(), "what was estimated").and_then(|found| found.get("numbers")).ok()
    }

    fn ask(&self, observations: &Observations) -> Result<Vec<Posterior>, String> {
        let (x, s) = scaled_by(observations, self.unit);
        let count = x.len();
        // A call would evaluate a `g` that is an expression; the list around it stays as it is.
        let arguments = pairlist!(x = x, s = s, found = self.found.clone());
        let answer = self.failure.call(&self.posterior, arguments).ok_or("no answer")?;
        let answer = Options::from_object(answer, "the posterior")?;
        let column = |name: &str| -> Result<Vec<f64>, String> {
            let values: Vec<f64> = answer.get(name)?;
            if values.len() == count {
                Ok(values)
            } else {
                Err(format!("the posterior has {} values of {name} for {count} observations", values.len()))
            }
        };
        let (means, variances) = (column("mean")?, column("var")?);
        let (zeros, log_marginals) = (column("lfsr")?, column("log_marginal")?);
        let posterior = |index: usize| {
            let (mean, variance) = (self.unit * means[index], self.unit * self.unit * variances[index]);
            Posterior {
                mean,
                second_moment: mean * mean + variance,
                variance,
                lfsr: zeros[index],
                // The density of x is in units of 1/x.
                log_marginal: log_marginals[index] - self.unit.ln(),
            }
        };
        Ok((0..count).map(posterior).collect())
    }
}

impl Prior for CustomPrior {
    fn posterior(&self, x: f64, s: f64) -> Posterior {
        let alone = Observations::new(std::slice::from_ref(&x), std::slice::from_ref(&s));
        alone.ok().and_then(|alone| self.posteriors(&alone).pop()).unwrap_or_else(|| Flat.posterior(x, s))
    }

    /// Those of the flat prior where R's function failed: they do no harm, and nobody will see them.
    fn posteriors(&self, observations: &Observations) -> Vec<Posterior> {
        self.ask(observations).unwrap_or_else(|reason| {
            self.failure.note(reason);
            Flat.posteriors(observations)
        })
    }

    fn hyperparameters(&self) -> Vec<Hyperparameter> {
        let numbers = self.numbers();
        let known = numbers.iter().flat_map(|list| list.iter());
        known
            .map(|(name, values)| Hyperparameter {
                name: Cow::Owned(name.to_string()),
                values: values.as_real_vector().unwrap_or_default(),
                // R's functions work in its units, whatever those of the core are.
                power: 0,
            })
            .collect()
    }
}
