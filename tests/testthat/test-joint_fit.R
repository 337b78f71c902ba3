# The joint fit: the best state of one objective, whatever the start.

quiet <- function(...) silently(nmu(...))

# A general matrix of rank K with an exponential remainder and noise.
low_rank <- function(n, p, K, noise = 0.1) {
  U <- matrix(rexp(n * K), n)
  V <- matrix(rexp(p * K), p)
  A <- U %*% t(V) + matrix(rexp(n * p, 5), n) + matrix(rnorm(n * p, 0, noise), n)
  list(A = A, U = U, V = V)
}

test_that("the fit is the optimum that was found, also beside that from the truth", {
  set.seed(7)
  data <- low_rank(60, 20, 3)
  fit <- quiet(data$A, 3)
  expect_identical(fit$loglik, max(fit$refit$trace$loglik))
  expect_gt(min(match_factors(fit, data$U)$cosine), 0.995)
  started <- quiet(data$A, 3, init = list(u = data$U, v = data$V))
  expect_lt(abs(fit$loglik - started$loglik), 1)
})

test_that("fits from the truth are hardly ever better", {
  skip_on_cran()
  gaps <- vapply(1:40, FUN.VALUE = 0, FUN = function(seed) {
    set.seed(1000 + seed)
    symmetric <- seed %% 2 == 0
    n <- sample(c(30, 60), 1)
    p <- if (symmetric) n else 25
    K <- sample(2:5, 1)
    loadings <- function(n) {
      x <- matrix(rexp(n * K), n)
      if (seed %% 4 >= 2) x * rbinom(n * K, 1, 0.4) else x
    }
    U <- loadings(n)
    V <- if (symmetric) U else loadings(p)
    rest <- matrix(rexp(n * p, 5) + rnorm(n * p, 0, 0.1), n)
    if (symmetric) rest[lower.tri(rest)] <- t(rest)[lower.tri(rest)]
    A <- tcrossprod(U, V) + rest
    quiet(A, K, init = if (symmetric) U else list(u = U, v = V))$loglik - quiet(A, K)$loglik
  })
  expect_lte(sum(gaps > 1), 2)
})

test_that("trees and small groups are fitted as well as from the truth", {
  skip_on_cran()
  gaps <- vapply(1:12, FUN.VALUE = 0, FUN = function(seed) {
    set.seed(seed)
    A <- sim_tree(weights = c(1, 1, rep(if (seed > 6) 8 else 3, 4)))
    # some of these fits use up their iterations
    from_truth <- suppressWarnings(quiet(A[, ], 6, init = attr(A, "loadings")))
    from_truth$loglik - quiet(A[, ], 6)$loglik
  })
  # without exchanges the fits were 39 to 158 below
  expect_lt(max(gaps), 5)
  # groups of 3 rows and more, of which noise of 100 features hides the smallest
  for (seed in 1:10) {
    set.seed(seed)
    groups <- matrix(rbinom(1000, 1, 0.1), 100)
    features <- groups %*% matrix(rnorm(1000), 10) + matrix(rnorm(1e4), 100)
    A <- tcrossprod(features) / 100
    fit <- quiet(A, 10)
    expect_gte(fit$loglik, quiet(A, 10, init = groups)$loglik - 1)
    expect_gt(min(match_factors(fit, groups)$cosine), 0.75)
  }
})

test_that("pieces of overlapping blocks are merged", {
  skip_on_cran()
  for (seed in c(1, 4, 7, 15, 21, 22, 26, 54, 101:104)) {
    set.seed(seed)
    block <- function(n) vapply(1:4, function(k) 1 * (seq_len(n) %in% sample(n, 3)), numeric(n))
    U <- block(25)
    V <- block(20)
    A <- tcrossprod(U, V) + matrix(rexp(500, 100) + rnorm(500, 0, 0.02), 25)
    truth <- quiet(A, 4, init = list(u = U, v = V))
    expect_gte(quiet(A, 4)$loglik, truth$loglik - 1)
  }
})

test_that("the bound on sigma does not depend on the number of factors", {
  set.seed(1)
  exact <- matrix(rexp(20), 10) %*% matrix(rexp(6), 2)
  noisy <- matrix(rexp(30), 10) %*% matrix(rexp(15), 3) + matrix(rexp(50, 5), 10)
  near <- matrix(rexp(30), 10) %*% matrix(rexp(24), 3) + 1e-5 * rnorm(80)
  for (A in list(freeny.x, exact, noisy, near)) {
    loglik <- vapply(seq_len(ncol(A)), FUN.VALUE = 0, FUN = function(K) quiet(A, K)$loglik)
    expect_gte(min(diff(loglik) / abs(loglik[-1])), -1e-6)
  }
})

test_that("with missing entries, exact fits stay exact with more factors", {
  hair <- matrix(as.numeric(HairEyeColor[, , 1]), 4)
  loglik <- vapply(1:5, FUN.VALUE = 0, FUN = function(K) quiet(hair, K, ignore_diag = TRUE)$loglik)
  # the bound on sigma was restored with as many factors as rows, which cost 164
  expect_gte(min(diff(loglik)), -1e-3)
  expect_identical(quiet(matrix(3, 5, 6), 3)$status, "converged")
})

test_that("a factor is not null while one is to be found in sparse counts", {
  skip_on_cran()
  gains <- vapply(c(1, 7, 10), FUN.VALUE = 0, FUN = function(seed) {
    set.seed(seed)
    U <- matrix(rexp(225) * (runif(225) < 0.3), 45)
    V <- matrix(rexp(200), 40)
    A <- matrix(rpois(1800, tcrossprod(U, V) + 0.3), 45)
    fit <- quiet(A, 5)
    expect_true(all(fit$d > 0))
    fit$loglik - quiet(A, 5, init = list(u = U, v = V))$loglik
  })
  # with a null factor the fits were 63 to 115 below those from the truth
  expect_gt(mean(gains), 0)
})

test_that("loadings of a fit as init lead back to it", {
  for (seed in 1:20) {
    set.seed(seed)
    U <- matrix(rexp(30) * (runif(30) < 0.6), 10)
    A <- matrix(rpois(100, tcrossprod(U)), 10)
    A[lower.tri(A)] <- t(A)[lower.tri(A)]
    fit <- quiet(A, 3)
    if (all(fit$d > 0)) {
      expect_gte(quiet(A, 3, init = coef(fit))$loglik, fit$loglik - 1e-3, label = seed)
    }
  }
})

test_that("a fit with moments and priors stays in the range of the data", {
  set.seed(1)
  w <- rexp(10) * rbinom(10, 1, 0.6) + 0.1
  A <- outer(w, w) + matrix(rexp(100, 2), 10)
  for (A in list(A, (A + t(A)) / 2)) {
    fit <- suppressWarnings(quiet(A, 2, noise = noise_moments(), prior = "exponential"))
    expect_lt(max(fitted(fit)), 2 * max(A))
  }
})

test_that("more factors never fit worse, between separate calls", {
  skip_on_cran()
  data <- list(
    iris = iris[, 1:4], mtcars = mtcars, arrests = USArrests, swiss = swiss, attitude = attitude,
    longley = longley, rock = rock, stackloss = stackloss, air = airquality, deaths = VADeaths,
    phones = WorldPhones, harman = Harman74.cor$cov, ability = ability.cov$cov,
    states = state.x77
  )
  for (name in names(data)) {
    A <- as.matrix(data[[name]])
    loglik <- vapply(seq_len(min(5, dim(A))), FUN.VALUE = 0, FUN = function(K) quiet(A, K)$loglik)
    # up to the tolerance of the optimizer
    expect_gte(min(diff(loglik) / abs(loglik[-1])), -1e-6, label = name)
  }
})

test_that("a matrix and its transpose have the same fit", {
  cars <- apply(mtcars, 2, function(x) x / max(x))
  for (A in list(cars, scale(as.matrix(mtcars), center = FALSE), as.matrix(attitude))) {
    for (K in 2:3) {
      expect_close(quiet(A, K)$loglik, quiet(t(A), K)$loglik, 1e-4)
    }
  }
})

test_that("groups are found in covariances of centred data, where negative blocks dominate", {
  groups <- rep(1:4, c(40, 30, 20, 10))
  truth <- outer(groups, 1:4, "==") * 1
  for (seed in 1:3) {
    set.seed(seed)
    X <- replicate(1000, rnorm(4)[groups] + rnorm(100))
    S <- tcrossprod(scale(X, scale = FALSE)) / 1000
    fit <- quiet(S, 4, ignore_diag = TRUE)
    expect_gt(min(match_factors(fit, truth)$cosine), 0.99)
  }
})

test_that("loadings of all factors are the start of the joint fit", {
  set.seed(3)
  data <- low_rank(30, 20, 3)
  start <- list(u = data$U, v = data$V)
  fit <- quiet(data$A, 3, init = start)
  # the path has the objective with the loadings held
  expect_gte(fit$loglik, fit$path$loglik[1])
  expect_lte(fit$refit$trace$loglik[1], fit$loglik)
  expect_identical(colnames(fit$u), c("k1", "k2", "k3"))
  # with no iteration but the first, the loadings hardly move
  near <- quiet(data$A, 3, init = start, control = nmu_control(maxiter = 1))
  expect_gt(min(match_factors(near, data$U)$cosine), 0.99)
  expect_warning(
    nmu(data$A, 3, init = start, control = nmu_control(maxiter = 1)),
    class = "nmu_warning_maxiter"
  )
})

test_that("fitted values at missing entries stay in range", {
  skip_on_cran()
  for (seed in 1:100) {
    set.seed(seed)
    size <- c(sample(10:40, 1), sample(8:25, 1))
    A <- low_rank(size[1], size[2], sample(1:5, 1))$A
    A[sample(length(A), stats::runif(1, 0.1, 0.6) * length(A))] <- NA
    fit <- quiet(A, sample(1:6, 1))
    expect_lte(max(0, fitted(fit)[is.na(A)]), 2.001 * max(A, na.rm = TRUE))
  }
  # pairs of a symmetric matrix
  for (seed in 1:30) {
    set.seed(seed)
    U <- matrix(rexp(20 * 4) * rbinom(80, 1, 0.6), 20)
    A <- tcrossprod(U) + rexp(400, 5)
    A[sample(400, stats::runif(1, 20, 120))] <- NA
    A <- (A + t(A)) / 2
    fit <- quiet(A, sample(1:6, 1), ignore_diag = seed %% 2 == 0)
    missing <- is.na(A) & row(A) != col(A)
    expect_lte(max(0, fitted(fit)[missing]), 2.001 * max(A, na.rm = TRUE))
  }
})

test_that("exact data come out exact, with both bounds active", {
  A <- outer(1:5, 1:7)
  fit <- quiet(A)
  expect_lt(max(abs(fitted(fit) - A)) / max(A), 1e-8)
  expect_identical(fit$refit$bound, "both")
  set.seed(5)
  B <- matrix(rexp(24), 12) %*% matrix(rexp(20), 2)
  expect_lt(max(abs(fitted(quiet(B, 2)) - B)) / max(B), 1e-6)
})
