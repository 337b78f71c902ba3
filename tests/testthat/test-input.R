A <- matrix(c(2, 1, 0, 1, 3, 1, 0, 1, 4), 3)
general <- matrix(c(2, 1, 5, 1, 3, 1), 3)
verbs <- list(nmu_em = nmu_em, nmu_em_estlambda = nmu_em_estlambda, nmu = nmu)

test_that("integer, logical and data-frame input is converted", {
  whole <- matrix(c(2L, 1L, 1L, 3L), 2)
  frame <- data.frame(a = c(1.5, 2, 3), b = 4:6, c = c(TRUE, FALSE, TRUE))
  for (verb in verbs) {
    expect_identical(verb(whole)$u, verb(whole + 0)$u)
    expect_identical(verb(whole > 1)$u, verb((whole > 1) + 0)$u)
    expect_identical(verb(frame)$u, verb(data.matrix(frame) + 0)$u)
    expect_identical(verb(as.table(whole))$d, verb(whole)$d)
  }
  expect_named(nmu_em(frame)$v, c("a", "b", "c"))
  expect_null(names(nmu_em(frame)$u))
  expect_type(nmu_em(whole)$A, "double")
})

test_that("dense matrices of the Matrix package are converted", {
  skip_if_not_installed("Matrix")
  dense <- Matrix::Matrix(A, sparse = FALSE)
  expect_identical(nmu_em(dense)$d, nmu_em(A)$d)
})

test_that("input that is not a numeric matrix is refused", {
  wrong <- list(
    NULL, 1:3, "a", matrix("a"), matrix(1i), array(1, c(2, 2, 2)), list(1), mean, quote(x),
    factor("a"), data.frame(a = "x"), data.frame(a = factor("x")), data.frame(a = Sys.Date()),
    data.frame(a = I(list(1))), matrix(list(1, 2), 1),
    structure(matrix(1), class = "integer64")
  )
  for (verb in verbs) {
    for (value in wrong) expect_refused(verb(value), "A")
  }
})

test_that("empty input is refused", {
  for (verb in verbs) {
    expect_refused(verb(matrix(0, 0, 0)), "A")
    expect_refused(verb(matrix(0, 3, 0)), "A")
    expect_refused(verb(matrix(0, 0, 3)), "A")
    expect_refused(verb(data.frame()), "A")
  }
})

test_that("entries that are not finite are refused and counted", {
  # NA is missing for nmu(), except with noise_notebook()
  for (verb in c(verbs[names(verbs) != "nmu"], function(A) nmu(A, noise = "notebook"))) {
    for (value in c(NA, NaN, Inf, -Inf)) {
      expect_refused(verb(replace(A, 2, value)), "A")
    }
    expect_refused(verb(A > NA), "A")
    error <- expect_refused(verb(replace(A, 1:6, c(NA, NA, NaN, Inf, -Inf, Inf))), "A")
    expect_match(conditionMessage(error), "2 NA, 1 NaN, 3 infinite", fixed = TRUE)
  }
})

test_that("scalars are checked", {
  for (verb in verbs[1:2]) {
    for (value in list(0, -1, NA, NaN, Inf, c(1, 2), numeric(0), "1", NULL, TRUE, list(1))) {
      expect_refused(verb(A, lambda = value), "lambda")
      expect_refused(verb(A, sigma = value), "sigma")
    }
    for (value in list(0, -1, 1.5, NA, Inf, c(1, 2), "1", NULL, 1e10)) {
      expect_refused(verb(A, maxiter = value), "maxiter")
    }
    for (value in list(-1, NA, Inf, c(0, 0), "0", NULL)) {
      expect_refused(verb(A, tol = value), "tol")
    }
    for (value in list(NA, 1, "yes", c(TRUE, FALSE), NULL)) {
      expect_refused(verb(A, keep_b = value), "keep_b")
      expect_refused(verb(A, trace = value), "trace")
    }
  }
  for (value in list(0, 1.5, NA, c(1, 2), "1", 10)) {
    expect_refused(nmu(A, K = value), "K")
  }
  expect_identical(nmu_em(A, lambda = 1L, maxiter = 5L)$u, nmu_em(A, maxiter = 5)$u)
})

test_that("symmetric is checked against A", {
  for (verb in verbs) {
    for (value in list(NA, 1, "yes", c(TRUE, TRUE))) {
      expect_refused(verb(A, symmetric = value), "symmetric")
    }
    expect_refused(verb(general, symmetric = TRUE), "A")
    expect_refused(verb(replace(A, 2, 1.1), symmetric = TRUE), "A")
    expect_true(verb(A)$symmetric)
    expect_true(verb(A, symmetric = TRUE)$symmetric)
    expect_false(verb(replace(A, 2, 1.1))$symmetric)
    # rounding errors and names are ignored
    nearly <- structure(replace(A, 2, 1 + 1e-15), dimnames = list(letters[1:3], NULL))
    expect_true(verb(nearly)$symmetric)
  }
})

test_that("init is checked", {
  for (verb in verbs[1:2]) {
    for (value in list("a", mean, list(1:3), list(v = 1:3), list(u = 1:3, v = 1:3), TRUE)) {
      expect_refused(verb(A, init = value), "init")
    }
    for (value in list(1:2, c(1, 2, NA), c(1, 2, Inf), c(1, -1, 1), numeric(3))) {
      expect_refused(verb(A, init = value), "init$u")
      expect_refused(verb(A, init = list(u = value)), "init$u")
      expect_refused(verb(general, init = list(u = value, v = 1:2)), "init$u")
    }
    for (value in list(1:3, c(1, NA), c(1, -1), c(0, 0), "a", NULL)) {
      expect_refused(verb(general, init = list(u = 1:3, v = value)), "init$v")
    }
    for (value in list(1:3, list(u = 1:3), list(u = 1:3, w = 1:2))) {
      expect_refused(verb(general, init = value), "init")
    }
    expect_refused(verb(A, init = nmu_em(A[1:2, 1:2])), "init$u")
  }
})

test_that("unknown extras are refused", {
  for (verb in verbs[1:2]) {
    expect_refused(verb(A, 10, 1, 1, 5), "...")
    expect_refused(verb(A, max_iter = 10), "...")
    expect_refused(verb(A, tol = 0, tol = 1), "...")
    expect_refused(verb(A, `{stop()} %s` = 1), "...")
  }
  expect_refused(nmu_control(max_iter = 10), "...")
})

test_that("control, noise and settings are checked", {
  for (verb in verbs) {
    for (value in list(NULL, list(), list(maxiter = 5), "a")) {
      expect_refused(verb(A, control = value), "control")
    }
  }
  for (value in list("mle of another age", NA, 1, c("notebook", "notebook"), noise_notebook)) {
    expect_refused(nmu(A, noise = value), "noise")
  }
  expect_refused(nmu_control(tol = -1), "tol")
  expect_refused(nmu_control(maxiter = 0), "maxiter")
  expect_refused(nmu_control(threads = 1.5), "threads")
  expect_refused(nmu_control(verbose = NA), "verbose")
  expect_refused(nmu_control(keep_data = "no"), "keep_data")
  old <- options(nmu.threads = 2)
  on.exit(options(old))
  expect_identical(nmu_control()$threads, 2L)
})

test_that("errors come from the function called", {
  for (name in names(verbs)) {
    error <- tryCatch(eval(call(name, "a")), error = identity)
    expect_identical(as.character(error$call[[1]]), name)
  }
})

test_that("strings of the user are shown, never interpreted", {
  nasty <- "{stop('evaluated')} %s %d {.arg x} {{ \n"
  expect_match(
    conditionMessage(expect_refused(nmu_em(A, lambda = nasty), "lambda")),
    "{stop('evaluated')} %s %d", fixed = TRUE
  )
  expect_refused(nmu(A, noise = nasty), "noise")
  expect_refused(nmu_em(stats::setNames(data.frame("x"), nasty)), "A")
  expect_refused(nmu_em(structure(list(), class = nasty)), "A")
  expect_refused(nmu_em(A, init = stats::setNames(list(1), nasty)), "init")
  expect_refused(plot(nmu_em(A), type = nasty), "type")
  named <- structure(A, dimnames = list(rep(nasty, 3), rep(nasty, 3)))
  expect_output(print(nmu_em(named)))
  expect_message(nmu(named, control = nmu_control(verbose = TRUE)), class = "nmu_message")
})

test_that("messages read well", {
  show_message <- function(code) cat(conditionMessage(tryCatch(code, error = identity)), sep = "\n")
  expect_snapshot({
    show_message(nmu_em(matrix("a")))
    show_message(nmu_em(matrix(c(1, NA, NaN, Inf), 2)))
    show_message(nmu_em(iris))
    show_message(nmu_em(A, lambda = -1))
    show_message(nmu_em(A, maxiter = 2.5))
    show_message(nmu_em(A, max_iter = 2))
    show_message(nmu_em(general, init = 1:3))
    show_message(nmu_em(general, symmetric = TRUE))
    show_message(nmu(A, K = 10, noise = noise_notebook()))
    show_message(nmu(A, noise = "none"))
  })
})

test_that("sizes whose squares would overflow are refused", {
  A <- matrix(1, 2, 2)
  expect_error(nmu_em(A * 1e151), class = "nmu_error_input", regexp = "rescale")
  expect_error(nmu(A * 1e151), class = "nmu_error_input", regexp = "rescale")
  expect_error(nmu_em(A, lambda = 1e151), class = "nmu_error_input", regexp = "lambda")
  expect_error(nmu_em(A, sigma = 1e-151), class = "nmu_error_input", regexp = "sigma")
  fit <- nmu_em(A * 1e149, lambda = 1e-149, sigma = 1e149)
  same <- nmu_em(A, lambda = 1, sigma = 1)
  expect_equal(fit$d / 1e149, same$d, tolerance = 1e-12)
})

test_that("a matrix behind a wrapper is not copied at the boundary", {
  skip_if_not(capabilities("profmem"))
  A <- matrix(rexp(1e6), 1000)
  B <- A
  dimnames(B) <- list(NULL, paste0("c", 1:1000))
  Rprofmem(copies <- tempfile(), threshold = 1e6)
  core_scan(B)
  Rprofmem(NULL)
  # Rprofmem() also reports new pages for small objects; only vectors have a size.
  expect_length(grep("^[0-9]", readLines(copies), value = TRUE), 0)
})

test_that("matrices with entries that are too large or too small are refused", {
  for (verb in verbs) {
    expect_refused(verb(A * 1e160), "A")
    expect_refused(verb(A * 1e-160), "A")
  }
  for (scale in c(1e-140, 1e140)) {
    fit <- suppressMessages(nmu(A * scale))
    expect_true(all(is.finite(c(fit$d, fit$u, fit$lambda, fit$sigma, fit$loglik))))
  }
})
