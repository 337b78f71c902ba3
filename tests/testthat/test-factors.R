set.seed(61)
tree <- sim_tree(n = 8)
fit <- suppressMessages(nmu(tree, K = 4, refine = FALSE))
table <- nmu(USArrests, K = 3, refine = FALSE)

test_that("the first factors are the fit that found them", {
  for (k in 1:4) {
    part <- fit[seq_len(k)]
    alone <- suppressMessages(nmu(tree, K = k, refine = FALSE))
    # the iteration for the best shares ends when the last of them no longer changes
    expect_equal(part$certificate$best, alone$certificate$best, tolerance = 1e-4)
    part$certificate$best <- alone$certificate$best
    shared <- setdiff(names(alone), "call")
    expect_identical(unclass(part)[shared], unclass(alone)[shared])
  }
  expect_identical(fit[], fit)
  expect_identical(fit[1:4], fit)
  expect_identical(table[-3]$v, nmu(USArrests, K = 2, refine = FALSE)$v)
})

test_that("a factor that is fixed has no lambda and sigma of its own", {
  fixed <- suppressMessages(nmu(tree, K = 1, fixed = rep(1, 16), refine = FALSE))
  part <- fixed["f1"]
  same <- c("lambda", "sigma", "prior_b_fitted")
  expect_identical(unclass(part)[same], unclass(fixed)[same])
  expect_true(is.na(part$loglik))
  expect_identical(part$status, "converged")
})

test_that("subsets of a fit with one factor, and str() of both classes", {
  one <- nmu_em(tree, 1, 0.1)
  expect_identical(one[], one)
  expect_identical(one[1], one)
  expect_identical(one["k1"], one)
  expect_refused(one[2], "i")
  expect_refused(one["u"], "i")
  expect_output(str(one), "$ lambda", fixed = TRUE)
  expect_output(str(fit, max.level = 1), "$ path", fixed = TRUE)
  expect_output(str(fit[1], list.len = 3), "list output truncated", fixed = TRUE)
})

test_that("other factors keep lambda and sigma, and have no log-likelihood", {
  part <- table[c("k3", "k1")]
  expect_s3_class(part, "nmu")
  expect_identical(part$d, table$d[c(3, 1)])
  expect_identical(part$u, table$u[, c("k3", "k1")])
  expect_identical(part$v, table$v[, c("k3", "k1")])
  expect_identical(part$path$factor, c(3L, 1L))
  expect_setequal(part$trace$factor, c(1, 3))
  expect_identical(part$K, 2L)
  expect_identical(c(part$lambda, part$sigma), c(table$lambda, table$sigma))
  expect_identical(part$loglik, NA_real_)
  expect_identical(as.numeric(logLik(part)), NA_real_)
  expect_identical(AIC(part), NA_real_)
  expect_identical(summary(part)$loglik, NA_real_)
  expect_output(print(part), "log-likelihood = not computed", fixed = TRUE)
  expect_output(print(summary(part)), "log-likelihood = not computed (200 obs", fixed = TRUE)
  expect_equal(fitted(part) + fitted(table[2]), fitted(table))
  expect_identical(plot(part), part)
  # nor do subsets of these
  expect_identical(part["k1"]$loglik, NA_real_)
  expect_identical(table[c(2, 1, 3)]$loglik, table$loglik)
})

test_that("null factors can be left out", {
  set.seed(1)
  whole <- nmu(sim_tree(n = 40), K = 8, noise = noise_notebook())
  expect_identical(whole$d[7:8], c(0, 0))
  part <- whole[whole$d > 0]
  expect_identical(part$K, 6L)
  expect_identical(part$loglik, whole$path$loglik[6])
  expect_identical(whole[c(8, 1:6)]$loglik, whole$loglik)
  expect_identical(whole[8:7]$loglik, NA_real_)
})

test_that("the status is that of the factors kept", {
  short <- silently(nmu(tree, K = 2, control = nmu_control(maxiter = 2)))
  short$path$status <- c("converged", "maxiter")
  expect_identical(short[1]$status, "converged")
  expect_true(short[1]$converged)
  expect_identical(short[2]$status, "maxiter")
  expect_false(short[2]$converged)
})

test_that("the choice of factors is checked", {
  expect_identical(fit[c(FALSE, TRUE, FALSE, TRUE)]$d, fit$d[c(2, 4)])
  for (i in list(
    5, 0, 1.5, c(1, -2), NA, NA_real_, "k9", NA_character_, c(TRUE, FALSE), list(1), NULL,
    integer(0), -(1:4), logical(4), c(1, 1), c("k2", "k2"), factor("k1")
  )) {
    expect_refused(fit[i], "i")
  }
})

test_that("top_features lists the largest loadings", {
  top <- top_features(table, n = 2, side = "v")
  expect_identical(names(top), c("factor", "feature", "loading", "rank"))
  expect_setequal(top$factor, c("k1", "k2", "k3"))
  first <- sort(coef(table, side = "v")[, "k1"], decreasing = TRUE)[1:2]
  expect_identical(top$feature[1:2], names(first))
  expect_identical(top$loading[1:2], unname(first))
  expect_identical(top$rank[1:2], 1:2)

  all_rows <- top_features(table, "k2", n = 1000)
  expect_identical(nrow(all_rows), sum(table$u[, 2] > 0))
  expect_false(is.unsorted(-all_rows$loading))
  expect_identical(top_features(table, 2, n = 1000), all_rows)
  expect_identical(unique(top_features(table, -1)$factor), c("k2", "k3"))

  expect_type(top_features(fit)$feature, "integer")
  single <- nmu_em(as.matrix(USArrests), sigma = 10)
  expect_identical(top_features(single, n = 1)$factor, "k1")
  # everything absorbed into b
  expect_identical(nrow(top_features(nmu_em(tree, 0.01, 1))), 0L)

  expect_refused(top_features(tree), "fit")
  expect_refused(top_features(fit, k = 9), "k")
  expect_refused(top_features(fit, n = 0), "n")
  expect_refused(top_features(fit, side = "w"), "side")
})
