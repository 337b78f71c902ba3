set.seed(41)
blocks <- sim_blocks(n = 4)
table <- as.matrix(USArrests)[1:12, ]
fits <- list(
  em = nmu_em(blocks, 1, 0.1),
  estlambda = nmu_em_estlambda(blocks),
  em_general = nmu_em(table, 0.05, 10),
  nmu = nmu(blocks, K = 3, noise = noise_notebook()),
  nmu_general = nmu(table, K = 2, noise = noise_notebook())
)

test_that("fitted, residuals and coef are consistent", {
  for (fit in fits) {
    A <- fit$A
    expect_equal(fitted(fit) + residuals(fit), A, ignore_attr = "loadings")
    expect_equal(coef(fit) %*% t(coef(fit, side = "v")), fitted(fit))
    expect_identical(colnames(coef(fit)), paste0("k", seq_along(fit$d)))
  }
  expect_identical(dimnames(fitted(fits$nmu_general)), dimnames(table))
  expect_identical(dimnames(residuals(fits$em_general)), dimnames(table))
  expect_identical(names(attributes(residuals(fits$em))), "dim")
  expect_equal(fitted(fits$em), fits$em$d * fits$em$u %*% t(fits$em$u))
})

test_that("logLik, nobs, AIC and BIC work", {
  for (fit in fits) {
    value <- logLik(fit)
    share <- if (inherits(fit, "nmu") && fit$symmetric) 0.5 else 1
    full <- reference_loglik(residuals(fit), fit$lambda, fit$sigma)
    expect_equal(as.numeric(value), share * full)
    expect_equal(nobs(fit), share * length(fit$A))
    expect_equal(AIC(fit), -2 * as.numeric(value) + 2 * attr(value, "df"))
    expect_equal(BIC(fit), -2 * as.numeric(value) + log(nobs(fit)) * attr(value, "df"))
  }
  expect_equal(attr(logLik(fits$em), "df"), sum(fits$em$u > 0))
  expect_equal(attr(logLik(fits$estlambda), "df"), sum(fits$estlambda$u > 0) + 2)
  loadings <- sum(fits$nmu_general$u > 0) + sum(fits$nmu_general$v > 0)
  expect_equal(attr(logLik(fits$nmu_general), "df"), loadings - 2 + 2)
  # given parameters are not counted
  given <- nmu(table, K = 2, noise = noise_fixed(0.05, 10))
  loadings <- sum(given$u > 0) + sum(given$v > 0)
  expect_equal(attr(logLik(given), "df"), loadings - 2)
  ones <- nmu(blocks, K = 1, fixed = rep(1, 8), refine = FALSE)
  expect_equal(attr(logLik(ones), "df"), 1 + sum(ones$u[, "k1"] > 0) + 2)
  # everything is absorbed into b: no loadings
  expect_equal(attr(logLik(nmu_em(blocks, 0.01, 1)), "df"), 0)
})

test_that("methods take the data if the fit has not kept them", {
  bare <- nmu_control(keep_data = FALSE)
  em <- nmu_em(blocks, 1, 0.1, control = bare)
  several <- nmu(blocks, K = 3, noise = noise_notebook(), control = bare)
  expect_refused(residuals(em), "A")
  expect_refused(logLik(em), "A")
  expect_refused(residuals(several, A = table), "A")
  expect_refused(plot(several, type = "residuals"), "A")
  expect_identical(residuals(em, A = blocks), residuals(fits$em))
  expect_identical(logLik(em, A = blocks), logLik(fits$em))
  expect_identical(logLik(several), logLik(fits$nmu))
  expect_true(all(is.na(summary(em)$factors$share)))
  expect_true(is.na(summary(em)$loglik))
  expect_identical(summary(several, A = blocks)$factors, summary(fits$nmu)$factors)
})

test_that("summary has the share that each factor explains", {
  info <- summary(fits$nmu_general)
  expect_s3_class(info, "summary.nmu_fit")
  expect_identical(info$factors$factor, c("k1", "k2"))
  expect_equal(info$factors$share, fits$nmu_general$d^2 / sum(table^2))
  expect_equal(info$factors$size_u, unname(1 / colSums(fits$nmu_general$u^4)))
  expect_equal(info$factors$size_v, unname(1 / colSums(fits$nmu_general$v^4)))
  expect_equal(info$loglik, fits$nmu_general$loglik)
})

test_that("the effective size is the number of equal loadings, and 0 without any", {
  u <- cbind(rep(c(0.5, 0), each = 4), c(1, rep(0, 7)), 0)
  expect_equal(effective_size(u), c(4, 1, 0))
  # many small loadings hardly count
  small <- c(rep(1, 4), rep(0.01, 400))
  expect_lt(effective_size(cbind(small / sqrt(sum(small^2)))), 4.2)
})

test_that("loadings have one scale by default, and unit norm where asked for", {
  for (fit in fits[c("em", "nmu_general")]) {
    for (side in c("u", "v")) {
      weighted <- coef(fit, side)
      unit <- coef(fit, side, scale = "unit")
      expect_equal(unit * rep(sqrt(fit$d), each = nrow(unit)), weighted)
      expect_equal(unname(colSums(unit^2)), rep(1, length(fit$d)))
      for (scale in c("weighted", "unit")) {
        expected <- coef(fit, side, scale)
        table <- as.data.frame(fit, scale = scale)
        top <- top_features(fit, side = side, n = 1, scale = scale)
        panels <- loading_panels(fit, side, seq_along(fit$d), NULL, scale)
        expect_identical(table$loading[table$side == if (fit$symmetric) "u" else side],
          as.vector(expected)
        )
        expect_identical(top$loading, unname(apply(expected, 2, max)))
        expect_identical(panels$values, expected)
      }
    }
  }
  expect_refused(coef(fits$nmu, scale = "none"), "scale")
})

test_that("choices are checked", {
  expect_refused(coef(fits$nmu, side = "w"), "side")
  expect_refused(coef(fits$nmu, side = 1), "side")
})

test_that("print is short and returns its argument", {
  for (fit in fits) {
    lines <- capture.output(shown <- print(fit))
    expect_identical(shown, fit)
    expect_lte(length(lines), 8)
    expect_lte(max(nchar(lines)), 60)
  }
  expect_output(expect_invisible(print(nmu_control())), "nmu_control")
  expect_output(expect_invisible(print(noise_notebook())), "notebook")
  several <- nmu(blocks, K = 12, noise = "notebook", control = nmu_control(maxiter = 3))
  many <- capture.output(print(several))
  expect_match(many, "...", fixed = TRUE, all = FALSE)
})

test_that("printed output", {
  expect_snapshot({
    fits$em
    fits$estlambda
    fits$nmu_general
    summary(fits$nmu)
    nmu_control()
    noise_notebook()
  })
})
