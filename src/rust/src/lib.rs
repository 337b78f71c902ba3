//! The functions that R calls. Each turns its arguments into the core's terms, calls the core and turns the answer back;
//! what can go wrong comes back as `list(ok, err)`, and R raises it; both are NULL where the user interrupted.

mod convert;
mod interrupt;

use convert::{
    ask_for, certificate_list, certified_list, deflation_list, em_list, errors_list, extent, fill, guarded,
    guarded_fit, log_or_value, normal_means_list, pair_lengths, prediction_list, scan_list, seed, tail,
    write_posteriors, Columns, Matrix, Options,
};
use extendr_api::prelude::*;
use nmu_core::deflation::deflate;
use nmu_core::distributions::{emg, truncated_normal};
use nmu_core::faer::MatMut;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{log_likelihood, serve_request};
use nmu_core::predict::{predict, Rows};
use nmu_core::prior::Observations;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::cancel::{catch_cancellation, checked};
use nmu_core::{em, posterior_mean, standard_errors, underapprox};

/// What is said of a matrix before a fit: missing, infinite, negative entries, largest size, symmetry.
/// @noRd
#[extendr]
fn core_scan(a: Robj) -> Result<Robj, String> {
    guarded(|| {
        let a = Matrix::new(a)?;
        Ok(scan_list(&a.scan()?))
    })
}

/// The notebook's iteration.
/// @noRd
#[extendr]
fn core_em(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    // Allocated before anything else: where R refuses the memory, nothing of ours is lost.
    let b = options.flag("keep_b")?.then(|| RMatrix::<f64>::new(a.nrow, a.ncol));
    guarded_fit(|| {
        let storage = a.whole(&options)?;
        let view = ResidualView::new(storage.as_ref(), &[], options.flag("symmetric")?);
        ask_for(&view, 1)?;
        let (threads, on_progress) = (a.threads(&options)?, &mut interrupt::observer_or(1.0, || storage.is_lost()));
        let estimator = a.notebook();
        let settings = options.settings(&estimator)?;
        let fit = em::iterate(&view, options.start()?, &settings, threads, on_progress);
        let write = |mut b: RMatrix<f64>| {
            let entries = MatMut::from_column_major_slice_mut(b.data_mut(), a.nrow, a.ncol);
            posterior_mean::posterior_mean(&view, &fit.b.factor, fit.b.params, entries, threads);
            b
        };
        // A fit that was interrupted may have to do without.
        let b = b.and_then(|b| catch_cancellation(|| write(b)));
        Ok(em_list(fit, b, settings.trace, interrupt::was_heard()))
    })
}

/// Factor after factor, each by the notebook's iteration or by a climb of the likelihood.
/// @noRd
#[extendr]
fn core_deflate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded_fit(|| {
        let storage = a.storage(&options)?;
        let threads = a.threads(&options)?;
        // The notebook's λ and σ are in the units of the matrix, and it stays in them.
        let notebook = options.text("rule")? == "notebook";
        let scale = if notebook { 1.0 } else { options.scale()? };
        let problem = options.problem(storage.as_ref(), scale)?;
        let unit = scale.sqrt();
        let (rows, columns) = (options.priors("prior", unit)?, options.priors("prior_v", unit)?);
        let on_progress = &mut interrupt::observer_or(scale, || rows.failed() || columns.failed() || storage.is_lost());
        let plan = options.plan(scale)?;
        ask_for(&problem.view(&[]), plan.least_factors())?;
        let found = if notebook {
            let estimator = a.notebook();
            deflate(&problem, plan, &options.settings(&estimator)?, threads, on_progress)
        } else {
            deflate(&problem, plan, &options.climb(scale, rows.with(&columns))?, threads, on_progress)
        };
        rows.check()?;
        columns.check()?;
        Ok(deflation_list(&found, scale, interrupt::was_heard()))
    })
}

/// What an errand of the core, for a matrix whose entries are elsewhere, finds on tiles of it, from 1: a vector a tile.
/// @noRd
#[extendr]
fn core_serve_request(a: Robj, options: List, request: &[f64], first: i32, last: i32) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded(|| {
        let storage = a.storage(&options)?;
        let tiles = extent(first - 1)..extent(last);
        let found = serve_request(storage.as_ref(), request, tiles).map_err(|error| error.to_string())?;
        Ok(List::from_values(found))
    })
}

/// Factors whose sum exceeds no entry of the matrix, and λ and σ of what they leave.
/// @noRd
#[extendr]
fn core_underapproximate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded_fit(|| {
        let storage = a.storage(&options)?;
        let (threads, scale) = (a.threads(&options)?, options.scale()?);
        let problem = options.problem(storage.as_ref(), scale)?;
        let (settings, climb) = (options.certify()?, options.climb(scale, Vec::new())?);
        ask_for(&problem.view(&[]), settings.count)?;
        let found = climb.underapproximate(&problem, &settings, threads, &mut interrupt::on_progress(scale));
        found.map(|found| certified_list(&found, scale, interrupt::was_heard())).map_err(|error| error.to_string())
    })
}

/// How factors compare with the matrix, entry by entry.
/// @noRd
#[extendr]
fn core_certificate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded(|| {
        let storage = a.storage(&options)?;
        let problem = options.problem(storage.as_ref(), 1.0)?;
        let factors = options.factors("factors", 1.0)?;
        Ok(certificate_list(&underapprox::certificate(&problem, &factors, a.threads(&options)?)))
    })
}

/// The loadings of new rows, which stand in the columns of `a`, on the factors of a fit.
/// @noRd
#[extendr]
fn core_predict(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded_fit(|| {
        let scale = options.scale()?;
        let rows = Rows { values: a.values()?, scale, law: options.law()? };
        let (columns, params) = (options.columns(a.nrow)?, options.noise(scale)?);
        let found = predict(rows, &columns, params, options.patience()?, &mut interrupt::on_progress(scale));
        found.map(|rows| prediction_list(&rows, scale, interrupt::was_heard())).map_err(|error| error.to_string())
    })
}

/// Standard errors of weights and loadings.
/// @noRd
#[extendr]
fn core_standard_errors(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded(|| {
        let storage = a.storage(&options)?;
        let (scale, threads) = (options.scale()?, a.threads(&options)?);
        let problem = options.problem(storage.as_ref(), scale)?;
        let factors = options.factors("factors", scale)?;
        ask_for(&problem.view(&[]), factors.len())?;
        let ask = |view: &ResidualView, params| standard_errors::standard_errors(view, &factors, params, threads);
        let errors = options.ask_of_fit(&problem, &[], ask)?;
        Ok(errors_list(&errors, scale))
    })
}

/// The log-likelihood of the matrix under the factors of a fit.
/// @noRd
#[extendr]
fn core_log_likelihood(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    guarded(|| {
        let storage = a.storage(&options)?;
        let scale = options.scale()?;
        let problem = options.problem(storage.as_ref(), scale)?;
        let (factors, threads) = (options.factors("factors", scale)?, a.threads(&options)?);
        let ask = |view: &ResidualView, params| log_likelihood(view, params, threads);
        let (value, count) = options.ask_of_fit(&problem, &factors, ask)?;
        Ok(value + count * scale.ln())
    })
}

/// The normal-means problem: a prior's hyperparameters, and the posterior of each observation. Observations are in
/// units of the core, as in a fit: those of the prior times `unit`.
/// @noRd
#[extendr]
fn core_normal_means(x: &[f64], s: &[f64], options: List) -> Result<Robj, String> {
    let mut columns = Columns::new(x.len());
    guarded(|| {
        let observations = Observations::new(x, s).map_err(|error| error.to_string())?;
        let options = Options::new(options);
        let unit = options.unit()?;
        let priors = options.priors("prior", unit)?;
        let family = priors.families.last().ok_or("no prior was given")?;
        let prior = family.estimate(&observations);
        write_posteriors(prior.as_ref(), x, s, &mut columns)?;
        priors.check()?;
        Ok(normal_means_list(prior.as_ref(), columns, unit))
    })
}

/// Moments of the normal truncated to the positive half line.
/// @noRd
#[extendr]
fn core_truncnorm_moments(mean: &[f64], sd: &[f64]) -> Result<Robj, String> {
    let mut columns = Columns::new(mean.len());
    guarded(|| {
        let mut slots = columns.slots();
        for (mean, sd) in checked(pair_lengths(mean, sd)) {
            let moments = truncated_normal::moments(mean, sd);
            slots.write([moments.mean, moments.variance, moments.log_mass]);
        }
        let [means, variances, log_masses] = columns.into_vectors();
        Ok(list!(mean = means, var = variances, log_mass = log_masses))
    })
}

/// Draws from normals of variance 1 truncated to the positive half line: `count` rounds of one for each of `z`.
/// @noRd
#[extendr]
fn core_truncnorm_draws(z: &[f64], count: i32, high: f64, low: f64) -> Result<Robj, String> {
    let count = extent(count);
    fill(z.len() * count, || checked(truncated_normal::draws(z, count, seed(high, low))))
}

/// The density of the exponentially modified Gaussian.
/// @noRd
#[extendr]
fn core_demg(x: &[f64], lambda: &[f64], sigma: &[f64], log: bool) -> Result<Robj, String> {
    fill(x.len(), || {
        let noises = pair_lengths(lambda, sigma).zip(x);
        let logs = noises.map(|((lambda, sigma), &x)| emg::log_density(x, ResidualParams { lambda, sigma }));
        checked(logs.map(move |value| log_or_value(value, log)))
    })
}

/// Probabilities of the exponentially modified Gaussian.
/// @noRd
#[extendr]
fn core_pemg(q: &[f64], lambda: &[f64], sigma: &[f64], lower: bool, log: bool) -> Result<Robj, String> {
    let side = tail(lower);
    fill(q.len(), || {
        let noises = pair_lengths(lambda, sigma).zip(q);
        let logs =
            noises.map(move |((lambda, sigma), &q)| emg::log_probability(q, ResidualParams { lambda, sigma }, side));
        checked(logs.map(move |value| log_or_value(value, log)))
    })
}

/// Quantiles of the exponentially modified Gaussian, from logs of probabilities.
/// @noRd
#[extendr]
fn core_qemg(log_p: &[f64], lambda: &[f64], sigma: &[f64], lower: bool) -> Result<Robj, String> {
    let side = tail(lower);
    fill(log_p.len(), || {
        let noises = pair_lengths(lambda, sigma).zip(log_p);
        checked(
            noises.map(move |((lambda, sigma), &log_p)| emg::quantile(log_p, ResidualParams { lambda, sigma }, side)),
        )
    })
}

extendr_module! {
    mod nmu;
    fn core_scan;
    fn core_em;
    fn core_deflate;
    fn core_serve_request;
    fn core_underapproximate;
    fn core_certificate;
    fn core_predict;
    fn core_standard_errors;
    fn core_log_likelihood;
    fn core_normal_means;
    fn core_truncnorm_moments;
    fn core_truncnorm_draws;
    fn core_demg;
    fn core_pemg;
    fn core_qemg;
}
