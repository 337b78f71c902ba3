# gram(X): fits of X X' / p that is never formed equal those of the matrix that is.

# Samples in overlapping groups, and features that depend on the groups.
grouped_features <- function(n = 60, p = 40, K = 3) {
  groups <- matrix(stats::rbinom(n * K, 1, 0.4), n)
  X <- groups %*% matrix(stats::rnorm(K * p), K) + stats::rnorm(n * p, sd = 0.5)
  dimnames(X) <- list(paste0("s", seq_len(n)), paste0("f", seq_len(p)))
  X
}

# A matrix of counts in which most entries are zero.
sparse_features <- function(n = 50, p = 80) {
  groups <- matrix(stats::rbinom(n * 3, 1, 0.4), n)
  X <- matrix(stats::rpois(n * p, 0.6 * groups %*% matrix(stats::rexp(3 * p, 2), 3)), n)
  X[, 1] <- 0
  Matrix::Matrix(X, sparse = TRUE)
}

formed <- function(X, center = FALSE, scale = FALSE) {
  X <- as.matrix(X)
  tcrossprod(base::scale(X, center, scale)) / ncol(X)
}

expect_refused_with <- function(code, arg, text = "") {
  error <- expect_error(code, class = "nmu_error_input")
  expect_identical(error$arg, arg)
  expect_match(conditionMessage(error), text)
}

quiet <- nmu_control(verbose = FALSE)

test_that("entries are those of the matrix that is formed", {
  set.seed(1)
  X <- grouped_features(23, 11)
  sparse <- sparse_features(23, 31)[, -1]
  for (center in c(FALSE, TRUE)) {
    for (scale in c(FALSE, TRUE)) {
      for (features in list(X, sparse)) {
        A <- gram(features, center, scale)
        expected <- formed(features, center, scale)
        expect_equal(as.matrix(A), expected, tolerance = 1e-13, ignore_attr = is.null(A$labels))
        expect_equal(A$diagonal, unname(diag(expected)), tolerance = 1e-13)
      }
    }
  }
  A <- gram(X)
  expect_identical(dim(A), c(23L, 23L))
  expect_identical(dimnames(A), list(rownames(X), rownames(X)))
  expect_equal(length(A), 23^2)
  expect_equal(A[c("s2", "s1"), 3:4], formed(X)[c("s2", "s1"), 3:4])
  expect_equal(A[2, ], formed(X)[2, ])
  expect_equal(A[-1, 2, drop = FALSE], formed(X)[-1, 2, drop = FALSE])
})

test_that("features may be of any type that A may be, of one sample or of one feature", {
  X <- matrix(1:12, 4)
  expect_identical(as.matrix(gram(X)), tcrossprod(X) / 3)
  expect_identical(as.matrix(gram(as.data.frame(X))), tcrossprod(X) / 3)
  expect_identical(as.matrix(gram(X > 5)), tcrossprod(X > 5) / 3)
  expect_identical(as.matrix(gram(X[1, , drop = FALSE])), matrix(sum(X[1, ]^2) / 3))
  expect_identical(as.matrix(gram(X[, 1, drop = FALSE])), tcrossprod(X[, 1]))
  expect_identical(as.matrix(gram(X[1, , drop = FALSE], center = TRUE)), matrix(0))
  for (A in list(gram(X[1, , drop = FALSE]), gram(X[, 1, drop = FALSE]), gram(X * 0))) {
    expect_equal(nmu(A, control = quiet)$u, nmu(as.matrix(A), control = quiet)$u)
  }
  # a mean of equal numbers is exact, so that nothing is left
  constant <- matrix(0.1, 3, 5)
  expect_identical(as.matrix(gram(constant, center = TRUE)), matrix(0, 3, 3))
})

expect_same_fit <- function(A, ..., tolerance = 1e-7) {
  expected <- nmu(as.matrix(A), ..., control = quiet)
  fit <- nmu(A, ..., control = quiet)
  for (name in c("d", "u", "lambda", "sigma", "loglik", "elbo", "noise_sd", "certificate")) {
    expect_equal(fit[[name]], expected[[name]], tolerance = tolerance)
  }
  expect_identical(fit$status, expected$status)
  expect_identical(fit$nobs, expected$nobs)
  fit
}

test_that("fits equal those of the matrix that is formed", {
  set.seed(2)
  dense <- gram(grouped_features())
  sparse <- gram(sparse_features(), center = TRUE)
  for (K in if (extended_tests()) 1:5 else c(1, 4)) {
    for (ignore_diag in c(FALSE, TRUE)) {
      expect_same_fit(dense, K, ignore_diag = ignore_diag)
      expect_same_fit(sparse, K, ignore_diag = ignore_diag)
    }
  }
  expect_same_fit(dense, 2, prior = "binary", ignore_diag = TRUE)
  expect_same_fit(dense, 2, prior = "exponential", refine = FALSE)
  expect_same_fit(dense, 2, prior_b = "point_exponential")
  expect_same_fit(dense, 2, noise = noise_mle(by = "row"), ignore_diag = TRUE)
  expect_same_fit(dense, 2, noise = "moments")
  expect_same_fit(dense, 2, noise = noise_mle(se = dense$diagonal))
  expect_same_fit(dense, 2, symmetric = FALSE)
  expect_same_fit(dense, NULL)
  expected <- nmu_em(as.matrix(dense))
  expect_equal(nmu_em(dense)$u, expected$u, tolerance = 1e-10)
  expect_equal(nmu_em(dense, keep_b = TRUE)$b, expected$b, tolerance = 1e-10)
})

test_that("one pass agrees to rounding", {
  set.seed(3)
  for (A in list(gram(grouped_features(200, 90)), gram(sparse_features(200, 300), TRUE, FALSE))) {
    fit <- nmu(as.matrix(A), 2, control = quiet)
    value <- function(A) evaluate_fit(core_log_likelihood, fit, A)
    expect_equal(value(A), value(as.matrix(A)), tolerance = 1e-12)
  }
})

test_that("fits have the same bits for any number of threads", {
  set.seed(4)
  A <- gram(grouped_features(300, 20))
  fits <- lapply(1:4, function(threads) {
    nmu(A, 2, ignore_diag = TRUE, control = nmu_control(threads = threads, verbose = FALSE))
  })
  for (fit in fits[-1]) {
    for (name in c("d", "u", "lambda", "sigma", "loglik", "certificate")) {
      expect_identical(fit[[name]], fits[[1]][[name]])
    }
  }
})

test_that("a lower rank is the best approximation", {
  set.seed(5)
  X <- grouped_features(200, 70)
  for (features in list(X, sparse_features(210, 60))) {
    for (center in c(FALSE, TRUE)) {
      A <- gram(features, center = center, rank = 6)
      parts <- svd(base::scale(as.matrix(features), center, FALSE))
      expected <- tcrossprod(parts$u[, 1:6] * rep(parts$d[1:6], each = nrow(features)))
      expect_equal(as.matrix(A), expected / ncol(features), tolerance = 1e-6, ignore_attr = TRUE)
      expect_equal(A$share, sum(parts$d[1:6]^2) / sum(parts$d^2), tolerance = 1e-10)
      expect_same_fit(A, 2)
    }
  }
  full <- gram(X[1:20, ], rank = 20)
  expect_equal(as.matrix(full), formed(X[1:20, ]), tolerance = 1e-12)
  expect_equal(gram(X * 0, rank = 3)$rank, 1)
  # of fewer features than the rank of the iteration, and of equal ones
  expect_equal(gram(X[, c(1, 1, 1)], rank = 3)$rank, 1)
})

test_that("methods of fits read entries in blocks", {
  set.seed(6)
  A <- gram(grouped_features())
  fit <- nmu(A, 2, control = quiet)
  same <- nmu(as.matrix(A), 2, control = quiet)
  expect_equal(residuals(fit), residuals(same), tolerance = 1e-7)
  expect_equal(residuals(fit, rows = 1:3, cols = "s5"), residuals(same, rows = 1:3, cols = "s5"),
    tolerance = 1e-7
  )
  expect_equal(posterior_b(fit, 1:4)$mean, posterior_b(same, 1:4)$mean, tolerance = 1e-6)
  expect_equal(standard_errors(fit), standard_errors(same), tolerance = 1e-6)
  expect_equal(fit[1]$certificate, same[1]$certificate, tolerance = 1e-6)
  expect_equal(generics::augment(fit), generics::augment(same), tolerance = 1e-6)
  expect_equal(summary(fit)$factors, summary(same)$factors, tolerance = 1e-6)
  expect_equal(dim(simulate(fit, seed = 1)[[1]]), dim(A))
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (type in c("matrices", "residuals", "loadings")) {
    expect_no_error(plot(fit, type = type))
  }
  expect_equal(nmu_cv(A, 1:2, folds = 2, control = quiet)$K >= 1, TRUE)
  small <- nmu(A, 2, control = nmu_control(keep_data = FALSE, verbose = FALSE))
  expect_null(small$A)
  expect_equal(residuals(small, A), residuals(fit))
  expect_equal(nmu(A, 3, init = fit, refine = FALSE, control = quiet)$u[, 1:2], fit$u,
    ignore_attr = TRUE
  )
})

test_that("loadings of new samples are those of rows of the matrix", {
  set.seed(7)
  X <- grouped_features(60, 40)
  old <- 1:50
  new <- 51:60
  for (center in c(FALSE, TRUE)) {
    for (sparse in c(FALSE, TRUE)) {
      train <- if (sparse) Matrix::Matrix(X[old, ], sparse = TRUE) else X[old, ]
      A <- gram(train, center = center, scale = TRUE)
      scaled <- base::scale(X[old, ], center, TRUE)
      means <- if (center) attr(scaled, "scaled:center") else FALSE
      shifted <- base::scale(X[new, ], means, attr(scaled, "scaled:scale"))
      rows <- tcrossprod(shifted, scaled) / 40
      fit <- nmu(A, 2, control = quiet)
      same <- nmu(as.matrix(A), 2, control = quiet)
      expect_equal(predict(fit, X[new, ]), predict(same, rows), tolerance = 1e-6)
      low <- nmu(gram(train, center, TRUE, rank = 5), 2, control = quiet)
      v <- svd(scaled)$v[, 1:5]
      expect_equal(predict(low, X[new, ]),
        predict(nmu(as.matrix(low$A), 2, control = quiet), rows * 0 +
          tcrossprod(shifted %*% v, scaled %*% v) / 40),
        tolerance = 1e-5
      )
    }
  }
  # samples that were fitted, with all factors at their optimum
  expect_equal(unname(predict(fit, X[old[1:3], ])), unname(coef(fit)[1:3, ]), tolerance = 0.05)
  expect_equal(nrow(generics::augment(fit, newdata = X[new, ])), 10 * 50)
  dropped <- nmu(A, 2, control = nmu_control(keep_data = FALSE, verbose = FALSE))
  expect_equal(predict(dropped, X[new, ], A = A), predict(fit, X[new, ]))
  expect_refused_with(predict(dropped, X[new, ]), "A")
  expect_refused_with(predict(dropped, X[new, ], A = as.matrix(A)), "A")
  expect_refused_with(predict(same, rows, A = A), "A")
  expect_refused_with(predict(fit, X[new, -1]), "newdata")
  expect_refused_with(predict(fit, X[new, 40:1]), "newdata")
  expect_refused_with(predict(fit, replace(X[new, ], 3, NA)), "newdata")
})

test_that("what gram() cannot do is an error with a remedy", {
  set.seed(8)
  X <- grouped_features(12, 5)
  expect_refused_with(gram(replace(X, 7, NA)), "X", "row 7 .*column 1")
  expect_refused_with(gram(gram(X)), "X")
  expect_refused_with(gram(X * 1e80), "X", "rescale")
  expect_refused_with(gram(X * 1e-80), "X", "rescale")
  expect_refused_with(gram(cbind(X, 2), scale = TRUE, center = TRUE), "X", "column 6")
  zero <- Matrix::Matrix(cbind(X, 0), sparse = TRUE)
  expect_refused_with(gram(zero, scale = TRUE), "X", "column 6")
  expect_refused_with(gram(X, rank = 6), "rank")
  A <- gram(X)
  expect_refused_with(A[1:3], "x")
  expect_refused_with(A[13, 1], "i")
  expect_refused_with(nmu(A, underapprox = TRUE), "underapprox", "as.matrix")
  large <- gram(matrix(1, 10001, 1))
  expect_refused_with(as.matrix(large), "x", "blocks")
  expect_refused_with(large[, ], "x", "blocks")
  expect_refused_with(nmu_cv(large), "A", "ten million")
  before <- options(nmu.threads = 0)
  on.exit(options(before))
  expect_error(gram(X, rank = 2), class = "nmu_error_input")
})

test_that("a DelayedMatrix of features is refused", {
  skip_if_not_installed("DelayedArray")
  expect_refused_with(gram(DelayedArray::DelayedArray(matrix(1, 2, 2))), "X", "in memory")
})

test_that("print and summary say what was computed, and suggest noise by row", {
  set.seed(9)
  X <- grouped_features(40, 30)
  expect_snapshot(print(gram(X, center = TRUE)))
  expect_snapshot(print(gram(Matrix::Matrix(round(X), sparse = TRUE), scale = TRUE, rank = 3)))
  scaled <- X * rep(c(1, 10), each = 20)
  said <- function(X, ...) {
    paste(utils::capture.output(summary(nmu(gram(X), ..., control = quiet))), collapse = " ")
  }
  expect_match(said(scaled), "A = X X' / 30 .*variances of samples differ.*by = \"row\"")
  equal <- X / sqrt(rowMeans(X^2))
  expect_no_match(said(equal), "variances")
  expect_no_match(said(scaled, noise = noise_mle(by = "row")), "variances")
})

test_that("feature scores are those of lm()", {
  set.seed(10)
  X <- grouped_features(50, 12)
  fit <- nmu(gram(X), 3, control = quiet)
  scores <- feature_scores(fit, X)
  loadings <- fit$u / rep(apply(fit$u, 2, max), each = 50)
  for (feature in c(1, 12)) {
    expected <- summary(stats::lm(X[, feature] ~ loadings))$coefficients[-1, ]
    expect_equal(unname(scores$effect[feature, ]), unname(expected[, 1]))
    expect_equal(unname(scores$se[feature, ]), unname(expected[, 2]))
    expect_equal(unname(scores$z[feature, ]), unname(expected[, 3]))
  }
  expect_equal(scores$df, 46)
  expect_identical(dimnames(scores$z), list(colnames(X), colnames(fit$u)))
  # a feature of sparse features, and of features that are read in parts
  sparse <- feature_scores(fit, Matrix::Matrix(X, sparse = TRUE))
  expect_equal(sparse, scores)
  plan <- plan_regression(cbind(1, loadings))
  expect_equal(regress_features(X, plan, most = 150), regress_features(X, plan))
  # of centred features the same
  expect_equal(feature_scores(fit, base::scale(X, TRUE, FALSE))$effect, scores$effect)
  expect_equal(feature_scores(fit, base::scale(X))$z, scores$z)
})

test_that("collinear loadings share an effect, and null factors have none", {
  set.seed(11)
  X <- grouped_features(50, 12)
  fit <- nmu(gram(X), 2, fixed = rep(1, 50), control = quiet)
  scores <- feature_scores(fit, X)
  expect_false(scores$intercept)
  expected <- stats::lm(X[, 1] ~ 0 + fit$u)$coefficients * apply(fit$u, 2, max)
  expect_equal(unname(scores$effect[1, ]), unname(expected))
  twice <- fit
  twice$u[, 2] <- twice$u[, 3]
  shared <- feature_scores(twice, X)
  expect_gt(shared$ridge, 0)
  expect_equal(shared$effect[, 2], shared$effect[, 3], tolerance = 1e-6)
  alone <- feature_scores(fit[c(1, 3)], X)
  expect_equal(unname(shared$effect[, 2] + shared$effect[, 3]), unname(alone$effect[, 2]),
    tolerance = 1e-4
  )
  null <- silently(nmu(-abs(formed(X)), 2, control = quiet))
  expect_true(all(is.na(feature_scores(null, X)$z)))
  few <- feature_scores(nmu(gram(X[1:2, ]), 2, control = quiet), X[1:2, ])
  expect_true(all(is.na(few$z)))
})

test_that("top_features lists the largest scores", {
  set.seed(12)
  X <- grouped_features(50, 12)
  fit <- nmu(gram(X), 2, control = quiet)
  scores <- feature_scores(fit, X)
  top <- top_features(scores, k = "k2", n = 3)
  expected <- order(scores$z[, 2], decreasing = TRUE)[1:3]
  expect_identical(top$feature, colnames(X)[expected])
  expect_identical(top$z, unname(scores$z[expected, 2]))
  expect_identical(top$effect, unname(scores$effect[expected, 2]))
  expect_true(all(top_features(scores, n = 100)$z > 0))
  expect_refused_with(feature_scores(fit, X[-1, ]), "X")
  expect_refused_with(feature_scores(fit, X[50:1, ]), "X", "s1")
  expect_snapshot(print(scores))
})
