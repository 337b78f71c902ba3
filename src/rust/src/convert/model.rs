//! Parts of the model as R has them: prior of the remainder, noise, factors.

use super::{message, Options, Units};
use extendr_api::prelude::*;
use nmu_core::factor::Factor;
use nmu_core::faer::{Mat, MatRef};
use nmu_core::noise::{NoiseScales, NoiseStructure, ResidualParams};
use nmu_core::remainder_prior::{ComponentMeans, RemainderPrior, RemainderPriorFamily};

impl Options {
    /// The family of the remainder's prior: a mixture of exponentials with given relative `means` and with `weights` or
    /// `NULL`, or a point mass and an exponential.
    pub(super) fn remainder_prior_family(&self) -> Result<RemainderPriorFamily, String> {
        let list = self.list("b_prior")?.ok_or("option b_prior is NULL")?;
        let means: Vec<f64> = list.get("means")?;
        let weights: Option<Vec<f64>> = list.get("weights")?;
        match weights {
            _ if list.flag("point_exponential")? => Ok(RemainderPriorFamily::PointExponential),
            Some(weights) => RemainderPrior::new(weights.into_iter().zip(means)).map(RemainderPriorFamily::Known),
            None => ComponentMeans::new(&means).map(RemainderPriorFamily::Mixture),
        }
        .map_err(message)
    }

    /// The remainder's prior of a fit, all of which is known.
    pub(crate) fn remainder_prior(&self) -> Result<RemainderPrior, String> {
        match self.remainder_prior_family()? {
            RemainderPriorFamily::Known(prior) => Ok(prior),
            _ => Err("the weights of the prior of b are not known".to_string()),
        }
    }

    /// The structure of the noise: `noise_scales` is a word, or the known scales.
    pub(super) fn noise_structure(&self) -> Result<NoiseStructure, String> {
        Ok(match self.find("noise_scales")?.as_str() {
            Some("constant") => NoiseStructure::Homoscedastic,
            Some("row") => NoiseStructure::ByRow,
            Some("column") => NoiseStructure::ByColumn,
            Some(other) => return Err(format!("the noise cannot differ by {other}")),
            None => self.noise_scales()?.map_or(NoiseStructure::Homoscedastic, NoiseStructure::Known),
        })
    }

    /// Standard deviations of the noise of entries, in units of σ: the products of numbers for `rows` and for `columns`, or
    /// numbers for `entries`; `None` for `NULL`.
    pub(crate) fn noise_scales(&self) -> Result<Option<NoiseScales>, String> {
        let Some(list) = self.list("noise_scales")? else { return Ok(None) };
        let entries = list.find("entries")?;
        let scales = if entries.is_null() {
            NoiseScales::outer(list.get("rows")?, list.get("columns")?)
        } else {
            // As many as the matrix has entries.
            let values = entries.as_real_slice().ok_or("option entries has the wrong type")?;
            let mut copied = Vec::new();
            copied.try_reserve_exact(values.len()).map_err(|_| "no memory for the noise of all entries".to_string())?;
            copied.extend_from_slice(values);
            NoiseScales::entries(copied)
        };
        scales.map(Some).map_err(message)
    }

    /// λ and σ.
    pub(crate) fn params(&self, units: Units) -> Result<ResidualParams, String> {
        Ok(units.params_for_core(self.get("lambda")?, self.get("sigma")?))
    }

    /// λ and σ after the factors that are kept; `None` if there are none, or if λ and σ were not estimated.
    pub(super) fn kept_params(&self, units: Units) -> Result<Option<ResidualParams>, String> {
        let Some(kept) = self.list("kept")? else { return Ok(None) };
        // R has NA for a parameter that was not estimated; as a double it is no number.
        let number = |name: &str| kept.get::<Option<f64>>(name);
        let (Some(lambda), Some(sigma)) = (number("lambda")?, number("sigma")?) else { return Ok(None) };
        let params = units.params_for_core(lambda, sigma);
        Ok(Some(params).filter(|params| !params.lambda.is_nan() && params.sigma.is_finite()))
    }

    /// The loadings of the columns, a vector for each factor.
    pub(crate) fn column_loadings(&self, ncol: usize) -> Result<Mat<f64>, String> {
        let v: Vec<f64> = self.get("v")?;
        if ncol == 0 || v.len() % ncol != 0 {
            return Err("the loadings of the columns do not fit the new rows".to_string());
        }
        Ok(MatRef::from_column_major_slice(&v, ncol, v.len() / ncol).to_owned())
    }

    /// Factors: a list of `d`, `u` and `v`, matrices with a column for each factor, and `v` `NULL` for a symmetric matrix;
    /// or `NULL` for none.
    pub(crate) fn factors(&self, name: &str, units: Units) -> Result<Vec<Factor>, String> {
        let Some(list) = self.list(name)? else { return Ok(Vec::new()) };
        let d: Vec<f64> = list.get("d")?;
        let (u, v): (RMatrix<f64>, Option<RMatrix<f64>>) = (list.get("u")?, list.get("v")?);
        let mismatched = |matrix: &RMatrix<f64>| matrix.ncols() != d.len();
        if mismatched(&u) || v.as_ref().is_some_and(mismatched) {
            return Err(format!("internal error: option {name} has not a column of loadings for each weight"));
        }
        let factor = |(index, &d): (usize, &f64)| {
            let v = v.as_ref().map(|v| column(v, index));
            Factor::new(units.weight_for_core(d), column(&u, index), v)
        };
        Ok(d.iter().enumerate().map(factor).collect())
    }
}

fn column(matrix: &RMatrix<f64>, index: usize) -> &[f64] {
    &matrix.data()[index * matrix.nrows()..(index + 1) * matrix.nrows()]
}
