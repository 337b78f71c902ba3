quiet <- function(...) silently(nmu(...))

# Overlapping groups of 60 rows, and a general matrix with sparse factors.
set.seed(61)
members <- matrix(rbinom(180, 1, 0.3), 60)
groups <- covariance(members, 1)
sparse <- list(
  u = matrix(rbinom(180, 1, 0.4) * rexp(180), 60), v = matrix(rbinom(120, 1, 0.3), 40)
)
general <- tcrossprod(sparse$u, sparse$v) + matrix(rexp(2400, 5) + rnorm(2400, sd = 0.1), 60)

fit_groups <- quiet(groups, 3, prior = "binary")
fit_general <- quiet(general, 3, prior = "point_exponential", prior_v = "binary")

# Expects two equal fits.
expect_same_fit <- function(fit, other) {
  same <- c("d", "u", "v", "lambda", "sigma", "loglik", "elbo", "posterior")
  expect_identical(unclass(fit)[same], unclass(other)[same])
}

test_that("a binary prior finds planted groups", {
  skip_on_cran()
  seeds <- if (extended_tests()) 1:10 else 1:2
  for (seed in seeds) {
    set.seed(seed)
    for (setting in planted_structures(tree = 0.99, groups = 0.9995, apart = 0.999)) {
      fit <- quiet(covariance(setting$truth, setting$sd), ncol(setting$truth), prior = "binary")
      expect_gt(found(fit, setting$truth)[1], setting$least)
    }
  }
})

test_that("a binary prior finds every branch of the notebook's trees", {
  for (weight in c(1, 3, 8)) {
    set.seed(1)
    A <- sim_tree(n = 40, weights = c(1, 1, rep(weight, 4)))
    fit <- quiet(A, K = 6, prior = "binary")
    expect_gt(min(match_factors(fit, attr(A, "loadings"))$cosine), 0.999)
  }
})

test_that("an exponential prior finds dense loadings, a binary one does not", {
  for (seed in if (extended_tests()) 1:10 else 1:2) {
    set.seed(seed)
    truth <- matrix(rexp(500), 100)
    A <- covariance(truth, 1)
    cosine <- function(prior) found(quiet(A, 5, prior = prior), truth)[1]
    expect_gt(cosine("exponential"), 0.99)
    expect_lt(cosine("binary"), 0.9)
  }
})

test_that("the ELBO never decreases within a stage, and is less than the log-likelihood", {
  for (fit in list(fit_groups, fit_general)) {
    for (trace in list(fit$trace[!is.na(fit$trace$elbo), ], fit$refit$trace)) {
      stage <- interaction(trace$factor %||% 1, trace$stage, drop = TRUE)
      # the first value of each start and stage is that of new priors
      falls <- tapply(trace$elbo, stage, function(elbo) min(0, diff(elbo)))
      expect_gte(min(falls), -1e-10 * max(abs(trace$elbo)))
      expect_true(all(trace$elbo < trace$loglik))
    }
    expect_true(all(diff(fit$path$elbo) > 0))
    expect_true(all(fit$path$elbo < fit$path$loglik))
    expect_identical(fit$elbo, fit$refit$elbo)
    expect_gt(fit$elbo, fit$path$elbo[3])
  }
  flat <- nmu(groups, 3)
  expect_null(flat$elbo)
  expect_null(flat$posterior)
  expect_true(all(is.na(c(flat$path$elbo, flat$trace$elbo))))
  # the loadings of the flat fit have the highest log-likelihood
  expect_lt(fit_groups$loglik, flat$loglik)
})

test_that("the posterior has the shape of the loadings, and its hyperparameters describe them", {
  size <- list(u = dim(fit_general$u), v = dim(fit_general$v))
  for (what in c("sd", "lfsr")) {
    expect_identical(lapply(fit_general$posterior[[what]], dim), size)
    expect_true(all(unlist(fit_general$posterior[[what]]) >= 0))
    expect_identical(fit_groups$posterior[[what]]$v, fit_groups$posterior[[what]]$u)
  }
  expect_true(all(unlist(fit_general$posterior$lfsr) <= 1))
  known <- fit_general$posterior$hyperparameters
  expect_named(known, c("k1", "k2", "k3"))
  matched <- match_factors(fit_general, sparse$v, side = "v")
  expect_gt(min(matched$cosine), 0.99)
  for (i in 1:3) {
    k <- matched$factor[i]
    w <- list(u = coef(fit_general)[, k], v = coef(fit_general, "v")[, k])
    member <- sparse$v[, i] > 0
    # members have the location, in units of w, and their fraction is the weight
    expect_close(known[[k]]$v$location, mean(w$v[member]), 0.01)
    expect_close(known[[k]]$v$weight, mean(member), 0.01)
    expect_identical(fit_general$posterior$lfsr$v[, k] < 0.5, member, ignore_attr = TRUE)
    sure <- fit_general$posterior$lfsr$u[, k] < 0.5
    expect_close(log(known[[k]]$u$rate * mean(w$u[sure])), 0, 0.15)
    expect_close(known[[k]]$u$weight, mean(sparse$u[, i] > 0), 0.15)
  }
})

test_that("flat priors at the beginning of a schedule have no effect", {
  expect_same_fit(quiet(groups, 3, prior = c("flat", "binary")), fit_groups)
  expect_same_fit(quiet(groups, 3, prior = list(prior_flat(), "flat", "binary")), fit_groups)
  # a longer schedule has one more stage, and ends with the same prior
  long <- quiet(groups, 3, prior = c("point_exponential", "binary"))
  expect_gt(max(long$trace$stage), max(fit_groups$trace$stage))
  expect_gt(found(long, members)[1], 0.999)
  expect_named(long$posterior$hyperparameters$k1$u, c("weight", "location", "ratio"))
  # the last prior of the shorter schedule is repeated
  pair <- quiet(general, 2, prior = "exponential", prior_v = c("exponential", "binary"))
  expect_named(pair$posterior$hyperparameters$k1$u, "rate")
  expect_named(pair$posterior$hyperparameters$k1$v, c("weight", "location", "ratio"))
  # flat with another prior: maximum likelihood loadings, without posterior variance
  mixed <- quiet(general, 1, prior = "flat", prior_v = "binary")
  expect_true(all(mixed$posterior$sd$u == 0))
  expect_gt(max(mixed$posterior$sd$v), 0)
  expect_length(mixed$posterior$hyperparameters$k1$u, 0)
  # a symmetric matrix has one side
  expect_same_fit(quiet(groups, 3, prior = "binary", prior_v = "flat"), fit_groups)
})

test_that("fits with priors do not depend on scale, order or threads", {
  for (power in c(-8, 6)) {
    scaled <- quiet(groups * 4^power, 3, prior = "binary")
    expect_identical(scaled$u, fit_groups$u)
    expect_identical(scaled$d, fit_groups$d * 4^power)
    expect_identical(scaled$posterior[c("sd", "lfsr")], fit_groups$posterior[c("sd", "lfsr")])
    expect_equal(scaled$elbo, fit_groups$elbo - fit_groups$nobs * log(4^power))
    location <- function(fit) fit$posterior$hyperparameters$k2$u$location
    expect_equal(location(scaled), location(fit_groups) * 2^power)
  }
  threads <- nmu_control(threads = 2)
  expect_same_fit(quiet(groups, 3, prior = "binary", control = threads), fit_groups)
  again <- quiet(general, 3, "point_exponential", prior_v = "binary", control = threads)
  expect_same_fit(again, fit_general)
  order <- sample(60)
  permuted <- quiet(groups[order, order], 3, prior = "binary")
  expect_close(permuted$u, fit_groups$u[order, ], 1e-6)
  expect_close(permuted$posterior$sd$u, fit_groups$posterior$sd$u[order, ], 1e-6)
  # the transpose exchanges the priors
  flipped <- quiet(t(general), 3, prior = "binary", prior_v = "point_exponential")
  expect_close(flipped$v, fit_general$u, 1e-5)
  expect_close(flipped$posterior$sd$u, fit_general$posterior$sd$v, 1e-5)
})

test_that("entries may be missing, and the diagonal left out", {
  holes <- groups
  holes[upper.tri(holes)][sample(1770, 200)] <- NA
  holes[lower.tri(holes)] <- t(holes)[lower.tri(holes)]
  fit <- quiet(holes, 3, prior = "binary")
  expect_gt(found(fit, members)[1], 0.999)
  expect_identical(fit$nobs, 1600)
  fit <- quiet(groups, 3, prior = "binary", ignore_diag = TRUE)
  expect_gt(found(fit, members)[1], 0.999)
  holes <- replace(general, sample(2400, 300), NA)
  holes[7, ] <- NA
  fit <- quiet(holes, 3, prior = "point_exponential", prior_v = "binary")
  expect_gt(min(match_factors(fit, sparse$v, side = "v")$cosine), 0.99)
  # the posterior of a row without observations is the prior
  expect_true(all(is.finite(fit$posterior$sd$u)))
  weights <- vapply(fit$posterior$hyperparameters, function(factor) factor$u$weight, 0)
  expect_close(1 - fit$posterior$lfsr$u[7, ], weights, 1e-3)
})

test_that("a prior removes factors without evidence", {
  fit <- quiet(general, 6, prior = "point_exponential", prior_v = "binary", refine = FALSE)
  expect_gte(sum(fit$path$status == "null"), 1)
  null <- fit$d == 0
  expect_identical(unname(null), fit$path$status == "null")
  expect_true(all(fit$u[, null] == 0))
  expect_true(fit$converged)
  # pure noise
  set.seed(63)
  noise <- matrix(rexp(900, 2) + rnorm(900, sd = 0.3), 30)
  expect_identical(quiet(noise, 2, prior = "binary", refine = FALSE)$d[2], 0)
  none <- quiet(matrix(-1, 5, 5), K = 2, prior = "binary")
  expect_identical(none$d, c(0, 0))
})

test_that("the ELBO chooses the number of factors", {
  skip_on_cran()
  set.seed(1)
  tree <- covariance(balanced_tree(40), 2)
  expect_identical(quiet(tree, K = NULL, prior = "binary", refine = FALSE)$K, 7L)
  fit <- quiet(groups, K = NULL, prior = "exponential")
  expect_identical(fit$K, 3L)
  kept <- fit$candidates[fit$candidates$kept, ]
  expect_identical(kept$K, 3L)
  expect_identical(kept$objective, fit$elbo)
  # the criterion is the gain over the model without factors
  expect_identical(kept$criterion, fit$elbo - fit$candidates$objective[1])
})

test_that("a prior written in R gives the fit of the same prior in the core", {
  ours <- quiet(groups, 2, prior = "exponential")
  theirs <- quiet(groups, 2, prior = exponential_in_r())
  expect_close(theirs$u, ours$u, 1e-8)
  expect_close(theirs$posterior$sd$u, ours$posterior$sd$u, 1e-8)
  expect_close(theirs$elbo, ours$elbo, 1e-8)
  rate <- function(fit) fit$posterior$hyperparameters$k2$u$rate
  expect_equal(rate(theirs), rate(ours), tolerance = 1e-6)
})

test_that("the failure of a prior written in R is an error of the fit", {
  calls <- 0
  prior <- exponential_in_r(name = "mine")
  right <- prior$estimate
  prior$estimate <- function(x, s) {
    calls <<- calls + 1
    if (calls == 5) stop("{x} 100% %s")
    right(x, s)
  }
  # with a general matrix, the prior of the other side must not hide it
  for (A in list(groups, general)) {
    calls <- 0
    threads <- nmu_control(threads = 2)
    error <- expect_error(nmu(A, 3, prior = prior, control = threads), class = "nmu_error_prior")
    expect_match(conditionMessage(error), "mine", fixed = TRUE)
    expect_identical(conditionMessage(error$parent), "{x} 100% %s")
    expect_identical(conditionCall(error)[[1]], quote(nmu))
    expect_identical(calls, 5)
  }
  expect_same_fit(quiet(groups, 3, prior = "binary"), fit_groups)
})

test_that("an interrupt ends a fit with priors, with the factors so far", {
  skip_on_cran()
  skip_on_os("windows")
  set.seed(64)
  A <- random_matrix(300)
  slow <- exponential_in_r()
  # in the core, and in R
  for (prior in list(prior_exponential(), slow)) {
    system(sprintf("(sleep 0.7; kill -INT %d) &", Sys.getpid()))
    condition <- tryCatch(
      {
        suppressMessages(nmu(A, K = 2000, prior = prior))
        Sys.sleep(2)
      },
      error = identity, interrupt = identity
    )
    expect_s3_class(condition, "nmu_error_interrupted")
    if (prior$family != "custom") {
      expect_identical(condition$fit$status, "interrupted")
      expect_identical(condition$fit$prior, list(prior))
    }
  }
  expect_same_fit(quiet(groups, 3, prior = "binary"), fit_groups)
})

test_that("fits with priors are continued", {
  path <- quiet(groups, 3, prior = "binary", refine = FALSE)
  two <- quiet(groups, 2, prior = "binary", refine = FALSE)
  three <- quiet(groups, 3, prior = "binary", refine = FALSE, init = two)
  same <- c("d", "u", "lambda", "sigma", "loglik", "posterior", "trace")
  expect_identical(unclass(three)[same], unclass(path)[same])
  # the KL divergences of kept factors are not known
  expect_null(three$elbo)
  expect_identical(three$path$elbo, c(two$path$elbo, NA))
  refitted <- quiet(groups, 3, prior = "binary", init = two)
  expect_identical(refitted$u, fit_groups$u)
  expect_identical(refitted$elbo, fit_groups$elbo)
  expect_identical(quiet(groups, 3, prior = "binary", init = path, refine = FALSE)$elbo, path$elbo)
  # added and refitted factors without priors have no posterior
  added <- quiet(groups, 4, init = path, refine = FALSE)
  expect_identical(added$posterior$sd$u[, 1:3], path$posterior$sd$u)
  expect_true(all(is.na(added$posterior$sd$u[, 4])))
  expect_null(quiet(groups, 3, init = path)$posterior)
})

test_that("subsets of a fit keep their posteriors", {
  path <- quiet(groups, 3, prior = "binary", refine = FALSE)
  two <- path[1:2]
  expect_identical(two$elbo, path$path$elbo[2])
  expect_identical(two$posterior, quiet(groups, 2, prior = "binary", refine = FALSE)$posterior)
  last <- fit_general[c(3, 1)]
  expect_identical(last$posterior$sd$v, fit_general$posterior$sd$v[, c(3, 1)])
  expect_named(last$posterior$hyperparameters, c("k3", "k1"))
  expect_null(last$elbo)
})

test_that("fixed factors have no prior, and their weights are estimated with the others", {
  fit <- quiet(groups + 1, 3, prior = "binary", fixed = cbind(root = rep(1, 60)))
  expect_identical(fit$u[, "root"], rep(1 / sqrt(60), 60))
  expect_gt(found(fit, cbind(1, members))[1], 0.999)
  expect_close(fit$d[1] / 60, 1, 0.1)
  expect_true(all(is.na(fit$posterior$sd$u[, "root"])))
  expect_null(fit$posterior$hyperparameters$root)
  expect_close(fit$elbo, fit$refit$elbo, 0)
})

test_that("priors work with given lambda and sigma and with moment estimates", {
  noise <- noise_fixed(fit_groups$lambda, fit_groups$sigma)
  given <- quiet(groups, 3, prior = "binary", noise = noise)
  expect_equal(c(given$lambda, given$sigma), c(fit_groups$lambda, fit_groups$sigma))
  expect_gt(found(given, members)[1], 0.999)
  moments <- quiet(groups, 3, prior = "binary", noise = noise_moments())
  expect_gt(found(moments, members)[1], 0.99)
  for (fit in list(given, moments)) {
    expect_true(all(is.finite(fit$posterior$sd$u)))
    expect_lt(fit$elbo, fit$loglik)
    expect_close(fit$loglik, reference_loglik(residuals(fit), fit$lambda, fit$sigma) / 2, 1e-9)
  }
})

test_that("settings that do not support priors are errors", {
  expect_refused(nmu(groups, prior = "binary", underapprox = TRUE), "prior")
  expect_refused(nmu(general, prior_v = "binary", underapprox = TRUE), "prior_v")
  expect_refused(nmu(groups, prior = "binary", noise = noise_notebook()), "prior")
  expect_refused(nmu(groups, prior = c("flat", "binary"), noise = "notebook"), "prior")
  for (bad in list("normal", 1, NULL, list(), NA, list("binary", 2), prior_binary)) {
    expect_refused(nmu(groups, prior = bad), "prior")
    expect_refused(nmu(groups, prior_v = bad), "prior_v")
  }
})

test_that("printed output", {
  expect_snapshot({
    fit_general
    summary(fit_general)
    summary(quiet(general, 1, prior = c("flat", "mixture"), refine = FALSE))
  })
})
