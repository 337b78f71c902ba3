# Slips: arguments that a function does not have.

table <- as.matrix(USArrests)[1:12, ]
fit <- nmu(table, K = 2)
hint_of <- function(code) {
  error <- expect_refused(code, "...")
  cli::ansi_strip(utils::tail(strsplit(conditionMessage(error), "\n")[[1]], 1))
}

test_that("every method with dots refuses unknown arguments", {
  methods <- getNamespaceInfo("nmu", "S3methods")
  # these pass their dots on
  passing <- c("plot.nmu_fit", "plot.nmu_tree", "plot.nmu_cv", "[.nmu_match")
  methods <- methods[!methods[, 3] %in% passing, ]
  cv <- silently(nmu_cv(table, K = 1, folds = 2))
  utils::capture.output(checked <- check_prior(prior_exponential()))
  objects <- list(
    nmu_fit = fit, nmu = fit, nmu_em = nmu_em(table), nmu_match = match_factors(fit, fit),
    nmu_control = nmu_control(), nmu_noise = noise_mle(), nmu_prior = prior_flat(),
    nmu_normal_means = normal_means(1:3, 1, prior_exponential()), nmu_posterior = posterior_b(fit),
    nmu_prior_check = checked, nmu_tree = factor_tree(fit),
    summary.nmu_fit = summary(fit), nmu_cv = cv, summary.nmu_cv = summary(cv),
    nmu_gram = gram(table), nmu_feature_scores = feature_scores(fit, table)
  )
  tried <- 0
  for (row in seq_len(nrow(methods))) {
    method <- utils::getFromNamespace(methods[row, 3], "nmu")
    if ("..." %in% names(formals(method))) {
      error <- tryCatch(method(objects[[methods[row, 2]]], sans = 1), error = identity)
      expect_s3_class(error, "nmu_error_input")
      expect_identical(error$arg, "...", label = methods[row, 3])
      tried <- tried + 1
    }
  }
  expect_gt(tried, 25)
})

test_that("a misspelt argument of a method is named", {
  expect_match(hint_of(predict(fit, new_data = table)), "mean newdata", fixed = TRUE)
  expect_match(hint_of(coef(fit, sides = "v")), "mean side", fixed = TRUE)
  expect_match(hint_of(simulate(fit, n_sim = 2)), "mean nsim", fixed = TRUE)
  expect_match(hint_of(logLik(fit, A = table)), "not needed", fixed = TRUE)
  expect_match(hint_of(plot(fit, type = "tree", length = "d")), "mean lengths", fixed = TRUE)
  expect_match(hint_of(as_newick(fit, nest = 0.8)), "Found", fixed = TRUE)
  expect_refused(coef(fit, "u", "unit", 3), "...")
  skip_if_not_installed("generics")
  expect_match(hint_of(generics::augment(fit, new_data = table)), "newdata", fixed = TRUE)
})

test_that("slips in the call of a fit are answered", {
  expected <- c(
    k = "mean K", rank = "argument K", n_components = "argument K",
    verbose = "nmu_control(verbose = )", threads = "nmu_control(threads = )",
    max_iter = "nmu_control(maxiter = )", maxiter = "nmu_control(maxiter = )",
    tol = "nmu_control(tol = )", K_max = "nmu_control(K_max = )", seed = "No random number",
    lambda = "noise_fixed(", floor = "noise_mle(floor = )", symetric = "mean symmetric",
    data = "argument A", start = "init"
  )
  for (name in names(expected)) {
    slip <- c(list(table), stats::setNames(list(3), name))
    expect_match(hint_of(do.call(nmu, slip)), expected[[name]], fixed = TRUE)
  }
  for (verb in list(nmu_em, nmu_em_estlambda)) {
    expect_match(hint_of(verb(table, K = 2)), "nmu(A, K = )", fixed = TRUE)
    expect_match(hint_of(verb(table, max_iter = 2)), "mean maxiter", fixed = TRUE)
    expect_match(hint_of(verb(table, threads = 2)), "nmu_control(threads = )", fixed = TRUE)
    expect_match(hint_of(verb(table, seed = 2)), "No random number", fixed = TRUE)
  }
  expect_match(hint_of(nmu_control(n_threads = 2)), "threads", fixed = TRUE)
  expect_match(hint_of(nmu_control(max_K = 2)), "K_max", fixed = TRUE)
  expect_match(hint_of(nmu_control(n_starts = 2)), "starts", fixed = TRUE)
  # the value is not evaluated, and a name without a likely meaning has no hint
  expect_match(hint_of(nmu(table, zzz = stop("evaluated"))), "zzz", fixed = TRUE)
})

test_that("every setting is answered with nmu_control()", {
  for (name in setdiff(names(formals(nmu_control)), "...")) {
    slip <- c(list(table), stats::setNames(list(3), name))
    expected <- sprintf("Use control = nmu_control(%s = ).", name)
    expect_match(hint_of(do.call(nmu, slip)), expected, fixed = TRUE)
    if (!name %in% c("BPPARAM", "K_max")) {
      expect_match(hint_of(do.call(nmu_cv, slip)), expected, fixed = TRUE)
    }
  }
  expect_match(hint_of(nmu(table, nstart = 8)), "nmu_control(starts = )", fixed = TRUE)
  expect_match(hint_of(nmu_em(table, nstart = 8)), "Other starts: init", fixed = TRUE)
})

test_that("slips in the call of a cross-validation are answered", {
  expected <- c(
    k = "mean K", rank = "argument K", K_max = "argument K", seed = "set.seed()",
    nfolds = "Use folds", workers = "Use BPPARAM", sigma = "noise_fixed(",
    symetric = "mean symmetric", Folds = "mean folds"
  )
  for (name in names(expected)) {
    slip <- c(list(table), stats::setNames(list(3), name))
    expect_match(hint_of(do.call(nmu_cv, slip)), expected[[name]], fixed = TRUE)
  }
})

test_that("augment takes new rows", {
  skip_if_not_installed("generics")
  new <- as.matrix(USArrests)[13:15, ]
  cells <- generics::augment(fit, newdata = new)
  expect_equal(cells$value, as.vector(new))
  expect_equal(cells$.fitted, as.vector(predict(fit, new, type = "fitted")))
  expect_equal(cells$.resid, cells$value - cells$.fitted)
  expect_equal(
    cells$.b, reference_mean(cells$.resid - fit$lambda * fit$sigma^2, fit$sigma),
    tolerance = 1e-6
  )
  expect_identical(cells$row[1:3], rownames(new))
  expect_refused(generics::augment(fit, data = table, newdata = new), "data")
  expect_refused(generics::augment(fit, newdata = new[, 1:2]), "newdata")
  whole <- nmu(crossprod(table), ignore_diag = TRUE)
  row <- crossprod(table)[2, , drop = FALSE]
  expect_equal(
    generics::augment(whole, newdata = row)$.fitted, as.vector(predict(whole, row, "fitted"))
  )
})
