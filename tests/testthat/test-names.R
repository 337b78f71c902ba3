# Names of rows and columns, and places in messages.

outcomes <- matrix(
  c(10, 3, 3, 8), 2,
  dimnames = list(c("drug", "placebo"), c("better", "worse"))
)

test_that("a matrix whose row and column names differ is not symmetric", {
  for (verb in list(nmu, nmu_em, nmu_em_estlambda)) {
    fit <- verb(outcomes)
    expect_false(fit$symmetric)
    expect_identical(dimnames(fitted(fit)), dimnames(outcomes))
    expect_identical(rownames(predict(fit, outcomes)), rownames(outcomes))
    error <- expect_refused(verb(outcomes, symmetric = TRUE), "A")
    expect_match(conditionMessage(error), "\"drug\".*\"better\"")
    # names on one side, or none, or the same ones
    expect_true(verb(unname(outcomes))$symmetric)
    expect_true(verb(structure(outcomes, dimnames = list(c("a", "b"), NULL)))$symmetric)
    expect_true(verb(structure(outcomes, dimnames = list(NULL, c("a", "b"))))$symmetric)
    same <- structure(outcomes, dimnames = list(one = c("a", NA), two = c("a", NA)))
    expect_true(verb(same)$symmetric)
    expect_true(verb(same, symmetric = TRUE)$symmetric)
    part <- structure(outcomes, dimnames = list(c("a", NA), c("a", "b")))
    expect_false(verb(part)$symmetric)
  }
  sparse <- methods::as(outcomes, "CsparseMatrix")
  expect_false(nmu(sparse)$symmetric)
  expect_message(nmu(outcomes, control = nmu_control(verbose = TRUE)), class = "nmu_message_names")
})

test_that("the first bad entry is located", {
  A <- as.matrix(USArrests)
  place <- function(code, arg = "A") {
    cli::ansi_strip(gsub("\\s+", " ", conditionMessage(expect_refused(code, arg))))
  }
  expect_match(
    place(nmu(replace(A, 55, NaN))), "1 NaN in row 5 \"California\", column 2 \"Assault\"",
    fixed = TRUE
  )
  expect_match(place(nmu(unname(replace(A, c(53, 55), Inf)))), "the first in row 3, column 2",
    fixed = TRUE
  )
  # NA is allowed here, so that the NaN after it is the first one
  expect_match(place(nmu(replace(A, 3:4, c(NA, NaN)))), "row 4 \"Arkansas\"", fixed = TRUE)
  expect_match(place(nmu_em(replace(A, 3:4, c(NA, NaN)))), "row 3 \"Arizona\"", fixed = TRUE)
  sparse <- methods::as(replace(0 * A, c(1, 103), c(2, NaN)), "CsparseMatrix")
  expect_match(place(nmu(sparse)), "row 3 \"Arizona\", column 3 \"UrbanPop\"", fixed = TRUE)
  fit <- nmu(A)
  new <- replace(A, 3, NaN)
  expect_match(place(predict(fit, new), "newdata"), "row 3 \"Arizona\"", fixed = TRUE)
  expect_match(place(posterior_b(fit, A = replace(A, 60, NaN), rows = 9:10, cols = 2)),
    "row 10 \"Georgia\", column 2 \"Assault\"",
    fixed = TRUE
  )
  skip_if_not_installed("DelayedArray")
  disk <- DelayedArray::DelayedArray(replace(A, 55, NaN))
  expect_match(place(nmu(disk)), "row 5 \"California\", column 2 \"Assault\"", fixed = TRUE)
})

test_that("an asymmetric matrix is refused with the place, the size and a remedy", {
  set.seed(3)
  S <- random_matrix(30, symmetric = TRUE)
  A <- S
  A[20, 4] <- A[20, 4] + 0.5
  A[7, 8] <- A[7, 8] + 0.25
  for (value in list(A, methods::as(A, "CsparseMatrix"))) {
    for (verb in list(nmu, nmu_em)) {
      error <- expect_refused(verb(value, symmetric = TRUE), "A")
      text <- gsub("\\s+", " ", cli::ansi_strip(conditionMessage(error)))
      expect_match(text, "row (20, column 4|4, column 20) .*difference of 0.5")
      expect_match(text, "(A + t(A)) / 2", fixed = TRUE)
    }
  }
  S[3, 9] <- NA
  expect_match(
    gsub("\\s+", " ", conditionMessage(expect_refused(nmu(S, symmetric = TRUE), "A"))),
    "row (3, column 9|9, column 3)"
  )
})

test_that("missing names are drawn and printed", {
  A <- as.matrix(USArrests)[1:9, ]
  rownames(A)[3] <- colnames(A)[2] <- NA
  S <- crossprod(A)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (fit in list(nmu(A, K = 2), nmu(S, K = 2), nmu_em(A))) {
    for (type in c("loadings", "matrices", "tree")) {
      expect_error(plot(fit, type = type), NA)
      if (requireNamespace("ggplot2", quietly = TRUE)) {
        expect_error(ggplot2::ggplot_build(ggplot2::autoplot(fit, type = type)), NA)
      }
    }
    expect_output(print(summary(fit)))
    expect_type(as_newick(fit), "character")
  }
})

test_that("plots fit small devices", {
  fits <- list(
    nmu(as.matrix(USArrests), K = 2), nmu(Harman74.cor$cov, K = 4),
    nmu(as.matrix(USArrests), K = 6, refine = FALSE)
  )
  for (size in list(c(4, 3), c(3, 4), c(2, 2), c(1, 1))) {
    grDevices::pdf(NULL, size[1], size[2])
    before <- graphics::par(c("mfrow", "mar", "las", "cex"))
    for (fit in fits) {
      for (type in plot_types) {
        expect_error(plot(fit, type = type), NA)
        expect_identical(graphics::par(c("mfrow", "mar", "las", "cex")), before)
      }
    }
    grDevices::dev.off()
  }
})
