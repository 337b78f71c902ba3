test_that("planted structure is found, its number of factors given or not", {
  seeds <- if (extended_tests()) 1:10 else 1:2
  for (seed in seeds) {
    set.seed(seed)
    # the minimum over ten trees is 0.9688
    structures <- planted_structures(tree = 0.968, groups = 0.98, apart = 0.999)
    for (name in names(structures)) {
      setting <- structures[[name]]
      A <- covariance(setting$truth, setting$sd)
      K <- ncol(setting$truth)
      # the likelihood does not determine the branches of a tree, the greedy path finds them
      refine <- name != "tree"
      fit <- silently(nmu(A, K, refine = refine))
      expect_gt(found(fit, setting$truth)[1], setting$least)
      chosen <- found(silently(nmu(A, K = NULL, refine = refine)), setting$truth)
      # one group in ten seeds is too small to be detected
      if (seed <= 2) expect_identical(chosen[2], as.numeric(K))
    }
  }
})

test_that("the notebook's trees of equal and of threefold weights are found", {
  for (weight in c(1, 3)) {
    set.seed(1)
    A <- sim_tree(n = 40, weights = c(1, 1, rep(weight, 4)))
    fit <- suppressMessages(nmu(A, K = 6, refine = FALSE))
    least <- if (weight == 1) 0.94 else 0.995
    expect_gt(min(match_factors(fit, attr(A, "loadings"))$cosine), least)
    # the joint log-likelihood is no worse than that of the truth, or of the path
    truth <- attr(A, "loadings")
    rest <- A - truth %*% (c(1, 1, rep(weight, 4)) * t(truth))
    likelihood <- function(par) -sum(demg(rest, exp(par[1]), exp(par[2]), log = TRUE)) / 2
    jointly <- silently(nmu(A, K = 6))
    expect_gt(jointly$loglik, max(-optim(c(0, -2), likelihood)$value, fit$loglik))
  }
})

test_that("a joint fit is the best state of its trace, and better than the greedy path", {
  set.seed(10)
  truth <- matrix(rbinom(500, 1, 0.2), 100)
  A <- covariance(truth, 1)
  path <- nmu(A, 5, refine = FALSE)
  fit <- nmu(A, 5)
  expect_null(path$refit)
  expect_identical(c(fit$status, fit$refit$status), c("converged", "converged"))
  expect_rising(fit$refit$trace, fit$loglik)
  expect_gt(fit$loglik, path$loglik)
  expect_gt(found(fit, truth)[1], found(path, truth)[1])
  # its path consists of the joint fits with fewer factors, whatever K is
  expect_identical(fit$path[1:3, ], nmu(A, 3)$path)
  expect_true(all(diff(fit$path$loglik) > 0) && fit$loglik >= tail(fit$path$loglik, 1))
  expect_true(all(is.na(fit$path$ratio_floor)))
  expect_identical(c(fit$lambda, fit$sigma), c(fit$refit$lambda, fit$refit$sigma))
  # the log-likelihood is that of the residuals
  density <- demg(residuals(fit), fit$lambda, fit$sigma, log = TRUE)
  expect_close(sum(density) / 2, fit$loglik, 1e-10)
  # the branches of a tree are not determined: the fit ends on a ridge, or says that it did not
  set.seed(11)
  tree <- silently(nmu(covariance(balanced_tree(20), 2), 7))
  expect_identical(tree$converged, tree$refit$status == "converged")
  expect_identical(tree$loglik, max(tree$refit$trace$loglik))
  density <- demg(residuals(tree), tree$lambda, tree$sigma, log = TRUE)
  expect_close(sum(density) / 2, tree$loglik, 1e-10)
})

test_that("a refit does not depend on scale, order or threads", {
  set.seed(12)
  truth <- matrix(rbinom(180, 1, 0.3), 60)
  A <- covariance(truth, 1)
  fit <- nmu(A, 3)
  expect_identical(nmu(A * 2^-30, 3)$u, fit$u)
  expect_identical(nmu(A, 3, control = nmu_control(threads = 2))$u, fit$u)
  order <- sample(60)
  expect_close(nmu(A[order, order], 3)$u, fit$u[order, ], 1e-6)
  # a general matrix, treated as such, has the same factors as the symmetric one
  general <- nmu(A, 3, symmetric = FALSE)
  expect_gt(found(general, truth)[1], 0.97)
})

test_that("as many loadings as entries explain nothing", {
  for (seed in 1:3) {
    set.seed(seed)
    noise <- suppressMessages(nmu(matrix(rexp(200), 50), K = NULL))
    expect_identical(c(noise$K, sum(noise$d > 0)), c(1L, 0L))
    set.seed(12000 + seed)
    A <- tcrossprod(matrix(rexp(100), 50), matrix(rexp(12), 6)) + rexp(300, 5) + rnorm(300, 0, 0.1)
    expect_identical(suppressMessages(nmu(A, K = NULL))$K, 2L)
  }
  # with a missing entry, six factors fit the other ones exactly
  A <- as.matrix(swiss)
  A[1, 1] <- NA
  expect_lt(suppressMessages(nmu(A, K = NULL))$K, 6)
})

test_that("candidates explain the number of factors", {
  set.seed(13)
  A <- covariance(indicator(rep(1:3, each = 15)), 2)
  fit <- suppressMessages(nmu(A, K = NULL))
  expect_identical(fit$K, 3L)
  expect_identical(
    names(fit$candidates), c("K", "start", "objective", "criterion", "status", "kept")
  )
  # what is rated is what is returned
  rated <- fit$candidates[!is.na(fit$candidates$criterion), ]
  expect_identical(rated$K, seq_len(nrow(rated)) - 1L)
  expect_identical(rated$kept, rated$K == 3)
  expect_identical(rated$K[which.max(rated$criterion)], 3L)
  expect_identical(rated$objective[4], fit$loglik)
  # the model without factors, by a maximisation of its own
  pairs <- upper.tri(A, diag = TRUE)
  # a diagonal entry counts half
  weight <- (1 - diag(nrow(A)) / 2)[pairs]
  negative <- function(x) -sum(weight * demg(A[pairs], exp(x[1]), exp(x[2]), log = TRUE))
  null <- -optim(c(0, 0), negative, control = list(reltol = 1e-14, maxit = 1e4))$value
  expect_close(rated$objective[1], null, 1e-8)
  sizes <- sum(fit$u > 1e-3 * rep(apply(fit$u, 2, max), each = nrow(A)))
  n <- fit$nobs
  unexplained <- exp(-2 * (fit$loglik - null) / n)
  log_bayes_factor <- function(log_g) {
    (n - sizes - 1) / 2 * log1p(exp(log_g)) - (n - 1) / 2 * log1p(exp(log_g) * unexplained)
  }
  best <- optimize(log_bayes_factor, log(n) + c(0, 20), maximum = TRUE, tol = 1e-10)$objective
  expect_identical(rated$criterion[1], 0)
  expect_close(rated$criterion[4], best, 1e-7)
  expect_identical(nrow(fit$path), 3L)
  plain <- nmu(A, K = NULL, refine = FALSE)
  expect_identical(unique(plain$candidates$start), c("null factor", "path"))
  expect_identical(plain$K, which.max(plain$candidates$criterion) - 1L)
  expect_warning(
    limited <- nmu(A, K = NULL, control = nmu_control(K_max = 2)),
    class = "nmu_warning_K_max"
  )
  expect_identical(limited$K, 2L)
  expect_null(nmu(A)$candidates)
  # pure noise: at most one factor
  none <- silently(nmu(matrix(-1, 5, 5), K = NULL))
  expect_identical(c(none$K, none$d), c(1, 0))
})

test_that("enough factors are chosen if they are not groups", {
  set.seed(17)
  smooth <- matrix(rexp(180), 60) %*% matrix(rexp(120), 3)
  noise <- matrix(rexp(2400, 5) + rnorm(2400, sd = 0.1), 60)
  expect_identical(suppressMessages(nmu(smooth + noise, K = NULL))$K, 3L)
  # Harman's four: verbal, speed, deduction, memory
  expect_identical(suppressMessages(nmu(Harman74.cor$cov, K = NULL))$K, 4L)
})

test_that("a fit is continued from its last state", {
  set.seed(14)
  for (A in list(sim_tree(n = 10)[, ], matrix(rexp(150), 15))) {
    quiet <- function(...) suppressMessages(nmu(A, refine = FALSE, ...))
    whole <- quiet(K = 4)
    continued <- quiet(K = 4, init = quiet(K = 2))
    same <- setdiff(names(whole), "call")
    expect_identical(unclass(continued)[same], unclass(whole)[same])
    expect_identical(quiet(K = 2, init = quiet(K = 2))$u, quiet(K = 2)$u)
    refined <- suppressMessages(nmu(A, K = 2))
    same <- c("u", "d", "loglik")
    expect_identical(unclass(quiet(K = 2, init = refined))[same], unclass(refined)[same])
    for (again in list(quiet(K = 2, init = refined), suppressMessages(nmu(A, 2, init = refined)))) {
      expect_gte(again$loglik, refined$loglik - 1e-6 * abs(refined$loglik))
      density <- demg(residuals(again), again$lambda, again$sigma, log = TRUE)
      expect_close(sum(density) / if (again$symmetric) 2 else 1, again$loglik, 1e-9)
    }
    expect_refused(quiet(K = 1, init = quiet(K = 2)), "K")
    expect_refused(nmu(A[-1, -1], K = 3, init = quiet(K = 2)), "init")
  }
})

test_that("init and fixed factors are used as given", {
  set.seed(15)
  A <- sim_tree(n = 10)[, ]
  constant <- cbind(root = rep(1, 20))
  fit <- suppressMessages(nmu(A, K = 2, fixed = constant))
  expect_identical(colnames(fit$u), c("root", "k1", "k2"))
  expect_equal(unname(fit$u[, 1]), rep(1 / sqrt(20), 20))
  expect_identical(fit$path$status[1], "fixed")
  expect_identical(fit$K, 3L)
  # the weight of a single fixed factor maximises the likelihood
  alone <- nmu(A + 1, K = 1, fixed = constant, refine = FALSE)
  rest <- A + 1 - alone$path$d[1] / 20
  density <- function(d, par) sum(demg(A + 1 - d / 20, par[1], par[2], log = TRUE))
  noise <- optim(c(1, 0.1), function(par) {
    if (any(par <= 0.01)) Inf else -density(alone$path$d[1], par)
  })$par
  for (step in c(-0.05, 0.05)) {
    expect_lt(density(alone$path$d[1] + step, noise), density(alone$path$d[1], noise))
  }
  start <- cbind(left = rep(1:0, each = 10), right = rep(0:1, each = 10))
  started <- suppressMessages(nmu(A, K = 3, init = start, refine = FALSE))
  expect_identical(colnames(started$u), c("left", "right", "k3"))
  expect_gt(sum(started$u[, "left"] * start[, "left"]) / sqrt(10), 0.99)
  X <- matrix(rexp(60), 10)
  # a fit with one factor is a valid start
  for (B in list(A, X)) {
    one <- nmu_em(B, maxiter = 20)
    sides <- if (one$symmetric) one$u else list(u = one$u, v = one$v)
    same <- lapply(list(one, sides), function(init) suppressMessages(nmu(B, init = init)))
    expect_identical(same[[1]]$u, same[[2]]$u)
  }
  two <- nmu(X, K = 2, init = list(u = runif(10), v = runif(6)), fixed = list(u = 1:10, v = 6:1))
  expect_identical(colnames(two$v), c("f1", "k1", "k2"))
  expect_equal(two$v[, "f1"], 6:1 / sqrt(91), ignore_attr = TRUE)
  for (bad in list("a", -1, rep(0, 20), 1:3, matrix(1, 19, 2), list(v = 1), NA_real_)) {
    error <- expect_error(nmu(A, init = bad), class = "nmu_error_input")
    expect_match(error$arg, "^init")
    error <- expect_error(nmu(A, fixed = bad), class = "nmu_error_input")
    expect_match(error$arg, "^fixed")
  }
  expect_refused(nmu(A, K = 1, init = start), "K")
  expect_refused(nmu(A, fixed = constant, noise = noise_notebook()), "fixed")
  expect_refused(nmu(A, K = 3, fixed = constant, init = started), "fixed")
})

test_that("a certified underapproximation exceeds no entry, and its certificate has this", {
  set.seed(16)
  general <- matrix(rexp(300), 20)
  general[sample(300, 60)] <- 0
  symmetric <- sim_blocks(n = 8)[, ]
  mixed <- symmetric - 0.15
  for (A in list(general, symmetric, mixed)) {
    for (refine in c(TRUE, FALSE)) {
      fit <- suppressMessages(nmu(A, K = 4, underapprox = TRUE, refine = refine))
      W <- fitted(fit)
      expect_true(all(W[A >= 0] <= A[A >= 0]))
      expect_true(all(W[A <= 0] == 0))
      expect_identical(c(fit$certificate$violated, fit$certificate$largest_violation), c(0, 0))
      expect_identical(fit$certificate$negative, as.numeric(sum(A < 0)))
      expect_close(fit$certificate$error, norm(A - W, "F") / norm(A, "F"), 1e-12)
      expect_close(fit$path$error[4], fit$certificate$error, 1e-12)
    }
  }
  # certificates of other fits
  fit <- nmu(general, K = 2)
  excess <- (fitted(fit) - general)[general >= 0]
  expect_close(fit$certificate$largest_violation, max(excess), 1e-12)
  expect_identical(fit$certificate$violated, as.numeric(sum(excess > 0)))
  expect_refused(nmu(general, K = NULL, underapprox = TRUE), "underapprox")
  expect_refused(nmu(general, init = fit, K = 3, underapprox = TRUE), "underapprox")
})

test_that("loadings that are not groups are fitted by their likelihood", {
  for (seed in 1:5) {
    set.seed(seed)
    u <- runif(60, 0, sqrt(2))
    noise <- matrix(rexp(3600, 2) + rnorm(3600, sd = 0.2), 60)
    noise[lower.tri(noise)] <- t(noise)[lower.tri(noise)]
    A <- tcrossprod(u) + noise
    fit <- nmu(A)
    expect_true(fit$converged)
    expect_gt(match_factors(fit, cbind(u))$cosine, 0.995)
    expect_lt(abs(log(fit$lambda / 2)), 0.1)
    single_step <- nmu(A, noise = noise_mle(ratio_floors = NULL), refine = FALSE)
    expect_gte(fit$loglik, single_step$loglik - 1e-6 * abs(fit$loglik))
  }
})
