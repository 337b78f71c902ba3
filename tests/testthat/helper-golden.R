# The fits whose numbers are in fixtures/golden.csv, which data-raw/golden.R writes.

golden_fits <- function() {
  tests <- datasets::Harman74.cor$cov
  volcano <- datasets::volcano[seq(1, 87, 3), seq(1, 61, 3)]
  list(
    tests = nmu::nmu(tests, K = 4),
    chosen = nmu::nmu(tests, K = NULL),
    off_diagonal = nmu::nmu(tests, K = 2, ignore_diag = TRUE),
    fixed = nmu::nmu(tests, K = 2, noise = nmu::noise_fixed(5, 0.1)),
    moments = nmu::nmu(tests, K = 2, noise = nmu::noise_moments()),
    point_exponential = nmu::nmu(tests, K = 2, prior = nmu::prior_point_exponential()),
    binary = nmu::nmu(tests, K = 2, prior = list("flat", "binary")),
    volcano = nmu::nmu(volcano, K = 3),
    missing = nmu::nmu(replace(volcano, seq(1, length(volcano), 7), NA), K = 2),
    certified = nmu::nmu(volcano, K = 2, underapprox = TRUE),
    notebook = nmu::nmu_em_estlambda(tests)
  )
}

golden_values <- function(fits) {
  rows <- lapply(names(fits), function(name) {
    fit <- fits[[name]]
    values <- c(
      d = fit$d, lambda = fit$lambda, sigma = fit$sigma, loglik = fit$loglik,
      sum_u = sum(fit$u), sum_v = sum(fit$v)
    )
    data.frame(fit = name, what = names(values), value = unname(values))
  })
  do.call(rbind, rows)
}
