blocks <- {
  set.seed(41)
  sim_blocks(n = 4)
}
table <- as.matrix(USArrests)[1:12, ]
bare <- nmu_control(keep_data = FALSE)
fits <- list(
  em = nmu_em(blocks, 1, 0.1),
  em_general = nmu_em_estlambda(table),
  nmu = nmu(blocks, K = 3),
  nmu_general = nmu(table, K = 2)
)

test_that("as.data.frame has every loading once, with its name", {
  for (fit in fits) {
    long <- as.data.frame(fit)
    expect_identical(class(long), "data.frame")
    sides <- if (fit$symmetric) "u" else c("u", "v")
    for (side in sides) {
      part <- long[long$side == side, ]
      expect_equal(matrix(part$loading, ncol = length(fit$d)), unname(coef(fit, side)))
      expect_identical(part$factor, rep(colnames(coef(fit)), each = nrow(coef(fit, side))))
    }
    expect_setequal(long$side, sides)
  }
  expect_identical(
    unique(as.data.frame(fits$nmu_general)$feature), c(rownames(table), colnames(table))
  )
  expect_identical(unique(as.data.frame(fits$nmu)$feature), as.character(1:8))
})

test_that("as_svd has the shape of svd", {
  for (fit in fits) {
    s <- as_svd(fit)
    expect_named(s, names(svd(fit$A)))
    expect_false(is.unsorted(-s$d))
    product <- s$u %*% diag(s$d, length(s$d)) %*% t(s$v)
    expect_equal(product, fitted(fit))
  }
  expect_refused(as_svd(svd(table)), "fit")
})

test_that("as_nmf has w and h", {
  for (fit in fits) {
    x <- as_nmf(fit)
    expect_named(x, c("w", "h"))
    expect_true(all(x$w >= 0) && all(x$h >= 0))
    expect_equal(x$w %*% x$h, fitted(fit))
  }
  expect_refused(as_nmf(1), "fit")
})

test_that("update fits again with arguments changed", {
  expect_identical(update(fits$nmu_general, K = 1)$d, nmu(table, K = 1)$d)
  expect_identical(update(fits$em, sigma = 1)$u, nmu_em(blocks, 1, 1)$u)
})

test_that("tidy and glance agree with summary and logLik", {
  skip_if_not_installed("generics")
  for (fit in fits) {
    factors <- generics::tidy(fit)
    expect_identical(factors[names(summary(fit)$factors)], summary(fit)$factors)
    u <- generics::tidy(fit, matrix = "u")
    expect_identical(u$loading, as.vector(coef(fit)))
    unit <- generics::tidy(fit, matrix = "u", scale = "unit")
    expect_identical(unit$loading, as.vector(fit$u))
    line <- generics::glance(fit)
    expect_identical(nrow(line), 1L)
    expect_identical(line$logLik, as.numeric(logLik(fit)))
    expect_identical(line$AIC, AIC(fit))
    expect_identical(line$BIC, BIC(fit))
    expect_identical(line$K, length(fit$d))
  }
  expect_refused(generics::tidy(fits$nmu, matrix = "w"), "matrix")
})

test_that("augment has a row for every entry", {
  skip_if_not_installed("generics")
  for (fit in fits) {
    cells <- generics::augment(fit)
    expect_equal(matrix(cells$value, nrow(fit$A)), unname(fit$A), ignore_attr = TRUE)
    expect_equal(cells$.resid, as.vector(residuals(fit)))
    b <- reference_mean(cells$.resid - fit$lambda * fit$sigma^2, fit$sigma)
    expect_equal(cells$.b, b, tolerance = 1e-6)
  }
  expect_identical(generics::augment(fits$nmu_general)[13, "row"], rownames(table)[1])
  expect_identical(generics::augment(fits$nmu_general)[13, "column"], colnames(table)[2])
})

test_that("tables of fits without their data", {
  skip_if_not_installed("generics")
  em <- nmu_em(blocks, 1, 0.1, control = bare)
  several <- nmu(blocks, K = 3, control = bare)
  expect_refused(generics::augment(several), "data")
  expect_identical(generics::augment(several, data = blocks), generics::augment(fits$nmu))
  expect_true(is.na(generics::glance(em)$AIC))
  expect_identical(generics::glance(em, A = blocks)$AIC, AIC(fits$em))
  expect_identical(generics::tidy(several, A = blocks), generics::tidy(fits$nmu))
  expect_true(all(is.na(generics::tidy(several)$share)))
})

test_that("summaries fit a narrow console", {
  local_reproducible_output(width = 60)
  fits$many <- nmu(blocks, K = 12, noise = "notebook", control = nmu_control(maxiter = 3))
  for (fit in fits) {
    expect_lte(max(nchar(capture.output(summary(fit)))), 60)
    expect_lte(max(nchar(capture.output(fit))), 60)
  }
})

test_that("errors name the called function and the invalid argument", {
  skip_if_not_installed("generics")
  fit <- nmu(USArrests, K = 1, control = nmu_control(keep_data = FALSE))
  em <- nmu_em(as.matrix(USArrests), 0.01, 10, 5, control = nmu_control(keep_data = FALSE))
  expect_identical(expect_refused(generics::augment(fit, data = diag(2)), "data")$call[[1]],
    quote(generics::augment)
  )
  expect_identical(expect_refused(generics::tidy(fit, A = diag(2)), "A")$call[[1]],
    quote(generics::tidy)
  )
  expect_identical(expect_refused(generics::glance(em, A = diag(2)), "A")$call[[1]],
    quote(generics::glance)
  )
  expect_identical(expect_refused(logLik(em), "A")$call[[1]], quote(logLik))
  expect_identical(expect_refused(plot(fit, type = "residuals"), "A")$call[[1]], quote(plot))
})
