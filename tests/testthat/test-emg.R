test_that("log densities agree with 50-digit values", {
  known <- read.csv(test_path("fixtures", "demg.csv"))
  error <- abs(demg(known$x, known$lambda, known$sigma, log = TRUE) - known$log_density)
  expect_true(all(error <= 1e-14 * pmax(1, abs(known$log_density))))
})

test_that("the density integrates to one and has the moments of the model", {
  for (setting in list(c(1, 1), c(0.2, 3), c(10, 0.5), c(3, 0.01))) {
    lambda <- setting[1]
    sigma <- setting[2]
    center <- 1 / lambda
    spread <- sqrt(1 / lambda^2 + sigma^2)
    moment <- function(power) {
      inner <- function(x) (x - center)^power * demg(x, lambda, sigma)
      pieces <- center + spread * c(-40, -3, -1, 0, 1, 3, 10, 60)
      sum(mapply(
        function(from, to) integrate(inner, from, to, rel.tol = 1e-10)$value,
        pieces[-length(pieces)], pieces[-1]
      ))
    }
    expect_equal(moment(0), 1, tolerance = 1e-8)
    expect_lt(abs(moment(1)) / spread, 1e-8)
    expect_equal(moment(2), spread^2, tolerance = 1e-7)
  }
})

test_that("the density follows R's conventions", {
  expect_equal(demg(c(-1, 0, 2), 2, 0.5), exp(demg(c(-1, 0, 2), 2, 0.5, log = TRUE)))
  expect_identical(demg(1:4, c(1, 2)), demg(1:4, c(1, 2, 1, 2)))
  expect_identical(demg(numeric(0)), numeric(0))
  expect_identical(demg(1, numeric(0)), numeric(0))
  expect_identical(demg(c(Inf, -Inf)), c(0, 0))
  expect_identical(demg(Inf, log = TRUE), -Inf)
  expect_identical(is.nan(demg(c(NA, NaN, 1))), c(FALSE, TRUE, FALSE))
  expect_identical(is.na(demg(1, NA)), TRUE)
  x <- matrix(c(0, 1, 2, 3), 2, dimnames = list(c("a", "b"), NULL))
  expect_identical(attributes(demg(x)), attributes(x))
})

test_that("parameters out of range give NaN with a warning", {
  for (code in expression(demg(1, 0), demg(1, 1, -1), demg(1, Inf), demg(1, 1, Inf))) {
    expect_warning(value <- eval(code), class = "nmu_warning_nan")
    expect_identical(value, NaN)
  }
  expect_identical(suppressWarnings(demg(c(0, 1), c(1, -1))), c(demg(0), NaN))
})

test_that("arguments of the wrong type are refused", {
  expect_refused(demg("a"), "x")
  expect_refused(demg(1, "a"), "lambda")
  expect_refused(demg(1, 1, "a"), "sigma")
  expect_refused(demg(1, log = NA), "log")
})
