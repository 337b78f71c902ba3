# prior_b = "none": the model is W + e, its fit without priors nonnegative least squares.

# A block model: an adjacency matrix without loops, and the indicators of its groups.
block_model <- function(sizes, within, between, seed = 1) {
  set.seed(seed)
  group <- rep(seq_along(sizes), sizes)
  A <- matrix(stats::rbinom(
    length(group)^2, 1, ifelse(outer(group, group, "=="), within, between)
  ), length(group))
  A[lower.tri(A)] <- t(A)[lower.tri(A)]
  diag(A) <- 0
  list(A = A, truth = outer(group, seq_along(sizes), "==") / rep(sqrt(sizes), each = length(group)))
}

counts <- function(nrow = 50, ncol = 30, seed = 2) {
  set.seed(seed)
  mean <- tcrossprod(matrix(stats::rexp(2 * nrow), nrow), matrix(stats::rexp(2 * ncol), ncol))
  matrix(stats::rpois(nrow * ncol, 0.3 * mean), nrow)
}

# Hierarchical alternating least squares in plain R (Cichocki and Phan 2009): the sum of squares of
# the best of some random starts.
hals <- function(A, K, starts = 3, steps = 1000) {
  best <- Inf
  for (start in seq_len(starts)) {
    W <- matrix(stats::runif(nrow(A) * K), nrow(A))
    H <- matrix(stats::runif(ncol(A) * K), ncol(A))
    for (step in seq_len(steps)) {
      product <- A %*% H
      gram <- crossprod(H)
      for (k in seq_len(K)) {
        W[, k] <- pmax(W[, k] + (product[, k] - W %*% gram[, k]) / max(gram[k, k], 1e-12), 0)
      }
      product <- crossprod(A, W)
      gram <- crossprod(W)
      for (k in seq_len(K)) {
        H[, k] <- pmax(H[, k] + (product[, k] - H %*% gram[, k]) / max(gram[k, k], 1e-12), 0)
      }
    }
    best <- min(best, sum((A - tcrossprod(W, H))^2))
  }
  best
}

quietly <- nmu_control(verbose = FALSE)

test_that("a flat fit is nonnegative least squares", {
  ratios <- NULL
  for (seed in 1:6) {
    A <- counts(seed = seed)
    for (K in 1:3) {
      fit <- nmu(A, K, prior = "flat", prior_b = "none", control = quietly)
      square <- sum(residuals(fit)^2)
      set.seed(1)
      ratios <- c(ratios, sqrt(square / hals(A, K)))
      expect_equal(fit$sigma, sqrt(square / length(A)), tolerance = 1e-6)
      expect_equal(fit$loglik, sum(stats::dnorm(residuals(fit), sd = fit$sigma, log = TRUE)))
      # first-order conditions in the loadings of the rows
      slope <- residuals(fit) %*% fit$v
      expect_lt(max(slope), 1e-2 * fit$sigma)
      expect_lt(max(abs(slope[fit$u > 0])), 1e-2 * fit$sigma)
    }
  }
  # both search for a local optimum: relative errors, as a ratio
  expect_gte(sum(ratios <= 1.001), 16)
  expect_lte(max(ratios), 1.01)
})

test_that("there is no remainder in a fit without one", {
  A <- counts()
  fit <- nmu(A, 2, prior_b = prior_none(), control = quietly)
  expect_equal(fit$lambda, Inf)
  expect_equal(fit$prior_b_fitted, data.frame(weight = 1, mean = 0))
  expect_true(all(unlist(posterior_b(fit, draws = 2)) == 0))
  expect_match(format(fit), "b: none", all = FALSE)
  expect_no_match(format(fit), "lambda")
  expect_match(utils::capture.output(print(summary(fit))), "b: none", all = FALSE)
  expect_equal(attr(logLik(fit), "df"), sum(fit$u > 0) + sum(fit$v > 0) - 2 + 1)
  drawn <- simulate(fit, 1, seed = 4)[[1]]
  expect_equal(stats::sd(drawn - fitted(fit)), fit$sigma, tolerance = 0.05)
  # a new row is a problem of nonnegative least squares
  row <- A[7, ]
  loadings <- drop(predict(fit, t(row)))
  weighted <- coef(fit, "v")
  slope <- crossprod(weighted, row - weighted %*% loadings)
  expect_lt(max(abs(slope[loadings > 0]), slope), 1e-4)
})

test_that("standard errors are those of least squares", {
  fit <- nmu(counts(), 2, prior = "flat", prior_b = "none", control = quietly)
  errors <- standard_errors(fit)
  positive <- fit$u > 0
  expected <- matrix(fit$sigma / fit$d, nrow(fit$u), 2, byrow = TRUE)
  expect_equal(unname(errors$u[positive]), expected[positive], tolerance = 1e-8)
  expect_equal(fit$refit$se_log_sigma, 1 / sqrt(2 * fit$nobs), tolerance = 1e-6)
})

test_that("sparse and dense matrices have the same fit, with missing entries too", {
  model <- block_model(c(40, 30, 20), 0.3, 0.03)
  for (A in list(model$A, replace(counts(), c(3, 77), NA))) {
    dense <- nmu(A, 3, prior = "flat", prior_b = "none", control = quietly)
    sparse <- nmu(
      methods::as(methods::as(A, "generalMatrix"), "CsparseMatrix"), 3,
      prior = "flat", prior_b = "none", control = quietly
    )
    expect_equal(sparse$u, dense$u, tolerance = 1e-6)
    expect_equal(sparse$v, dense$v, tolerance = 1e-6)
    expect_equal(sparse$loglik, dense$loglik, tolerance = 1e-10)
  }
})

test_that("groups of a graph are found without further arguments", {
  model <- block_model(c(120, 80, 60, 40), 0.2, 0.02)
  fit <- nmu(methods::as(model$A, "CsparseMatrix"), 4, prior = "flat", control = quietly)
  expect_equal(fit$prior_b$family, "none")
  expect_true(fit$ignore_diag)
  expect_gt(min(apply(crossprod(model$truth, fit$u), 1, max)), 0.9)
})

test_that("priors of loadings are possible without a remainder", {
  model <- block_model(c(60, 40), 0.4, 0.05)
  for (prior in c("point_exponential", "binary")) {
    fit <- nmu(model$A, 2, prior = prior, control = quietly)
    expect_equal(fit$lambda, Inf)
    expect_gt(fit$elbo, nmu(model$A, 1, prior = prior, control = quietly)$elbo)
    expect_gt(min(apply(crossprod(model$truth, fit$u), 1, max)), 0.95)
  }
})

test_that("the default depends on the share of zeros, and says so", {
  A <- counts()
  A[seq_len(length(A)) <= length(A) %/% 2 + 1] <- 0
  loud <- nmu_control(verbose = TRUE)
  expect_message(fit <- nmu(A, control = loud), class = "nmu_message_prior_b")
  expect_equal(fit$prior_b$family, "none")
  expect_equal(nmu(A + 1, control = quietly)$prior_b$family, "exponential")
  expect_equal(suppressWarnings(nmu(A, prior_b = "exponential"))$prior_b$family, "exponential")
  for (noise in list(noise_moments(), noise_fixed(1, 1), noise_notebook())) {
    fit <- suppressWarnings(nmu(A, noise = noise, control = quietly))
    expect_equal(fit$prior_b$family, "exponential")
  }
  expect_equal(nmu(A, underapprox = TRUE, control = quietly)$prior_b$family, "exponential")
  graph <- block_model(c(20, 20), 0.4, 0.05)$A
  expect_message(nmu(graph, control = loud), class = "nmu_message_ignore_diag")
  expect_false(nmu(graph, ignore_diag = FALSE, control = quietly)$ignore_diag)
  expect_false(nmu(graph + diag(40), control = quietly)$ignore_diag)
})

test_that("lambda is infinite exactly if there is no remainder", {
  A <- counts()
  fit <- nmu(A, 2, noise = noise_fixed(Inf, 1), control = quietly)
  expect_equal(c(fit$lambda, fit$sigma), c(Inf, 1))
  expect_refused(nmu(A, noise = noise_fixed(Inf, 1), prior_b = "exponential"), "prior_b")
  expect_refused(nmu(A, noise = noise_fixed(1, 1), prior_b = "none"), "prior_b")
  expect_refused(nmu(A, noise = "moments", prior_b = "none"), "prior_b")
  expect_refused(nmu(A, underapprox = TRUE, prior_b = "none"), "underapprox")
  expect_refused(nmu(A, prior = prior_none()), "prior")
})

test_that("a fit without any factor that was asked for is a warning", {
  A <- block_model(rep(20, 3), 0.05, 0.01)$A
  expect_warning(
    fit <- nmu(A, 2, prior = "exponential", prior_b = "exponential", control = quietly),
    class = "nmu_warning_null"
  )
  expect_equal(fit$d, c(0, 0))
  # a number that was not asked for, and a matrix without positive entries
  expect_no_warning(nmu(A, NULL, prior = "exponential", prior_b = "exponential", control = quietly))
  expect_no_warning(nmu(0 * A, control = quietly))
})

test_that("cross-validation compares fits with and without a remainder", {
  A <- counts(30, 20)
  both <- c("exponential", "none")
  cv <- silently(nmu_cv(A, K = 1, prior_b = both, folds = 2))
  expect_equal(sort(unique(cv$summary$prior_b)), c("exponential", "none"))
  expect_true(all(is.finite(cv$summary$loglik)))
  A[A < 2] <- 0
  expect_equal(nmu_cv(A, K = 1, folds = 2)$prior_b$family, "none")
})

test_that("objects that contain a matrix are refused with the call that returns it", {
  contained <- list(
    dist = stats::dist(matrix(1:6, 3)), igraph = structure(list(), class = "igraph")
  )
  text <- conditionMessage(expect_refused(nmu(contained$dist), "A"))
  expect_match(text, "as.matrix(A)", fixed = TRUE)
  text <- conditionMessage(expect_refused(nmu(contained$igraph), "A"))
  expect_match(text, "igraph::as_adjacency_matrix(A)", fixed = TRUE)
  # S4 classes with these names, as in Bioconductor
  global <- globalenv()
  methods::setClass("SummarizedExperiment", methods::representation(x = "numeric"), where = global)
  methods::setClass("SingleCellExperiment", contains = "SummarizedExperiment", where = global)
  for (class in c("SummarizedExperiment", "SingleCellExperiment")) {
    text <- conditionMessage(expect_refused(nmu(methods::new(class, x = 1)), "A"))
    expect_match(text, paste0(class, "::"), fixed = TRUE)
  }
  methods::removeClass("SingleCellExperiment", where = globalenv())
  methods::removeClass("SummarizedExperiment", where = globalenv())
})
