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

test_that("log probabilities of both tails agree with 50-digit values", {
  known <- read.csv(test_path("fixtures", "demg.csv"))
  lower <- pemg(known$x, known$lambda, known$sigma, log.p = TRUE)
  upper <- pemg(known$x, known$lambda, known$sigma, lower.tail = FALSE, log.p = TRUE)
  # subnormal doubles may lose digits
  expect_true(all(abs(lower - known$log_cdf) <= 2e-14 * abs(known$log_cdf) + 1e-300))
  expect_true(all(abs(upper - known$log_sf) <= 2e-14 * abs(known$log_sf) + 1e-300))
  expect_equal(pemg(known$x, known$lambda, known$sigma), exp(known$log_cdf), tolerance = 1e-13)
})

test_that("the distribution function is the integral of the density", {
  for (setting in list(c(1, 1), c(0.2, 3), c(10, 0.5), c(3, 0.01))) {
    lambda <- setting[1]
    sigma <- setting[2]
    points <- 1 / lambda + sqrt(1 / lambda^2 + sigma^2) * c(-2, -0.5, 0, 1, 3)
    inner <- function(x) demg(x, lambda, sigma)
    for (i in seq_along(points)[-1]) {
      between <- integrate(inner, points[i - 1], points[i], rel.tol = 1e-10)$value
      expect_lt(abs(diff(pemg(points[i - 1:0], lambda, sigma)) - between), 1e-9)
    }
  }
  # b alone, and e alone
  expect_equal(pemg(c(0.1, 1, 5), 1, 1e-9), pexp(c(0.1, 1, 5)), tolerance = 1e-14)
  expect_equal(pemg(c(-5, 0, 5), 1e12, 1), pnorm(c(-5, 0, 5)), tolerance = 1e-10)
})

test_that("quantiles undo probabilities in both tails", {
  setting <- expand.grid(
    p = c(1e-300, 1e-20, 1e-3, 0.3, 0.5, 0.6, 0.999), product = 10^c(-20, -6, -1, 0, 1, 6),
    sigma = c(1e-5, 1, 1e5)
  )
  lambda <- setting$product / setting$sigma
  for (lower in c(TRUE, FALSE)) {
    x <- qemg(setting$p, lambda, setting$sigma, lower.tail = lower)
    expect_true(all(is.finite(x)))
    found <- pemg(x, lambda, setting$sigma, lower.tail = lower)
    expect_lt(max(abs(found / setting$p - 1)), 1e-12)
    log_p <- c(-1e8, -5000, -800, log(setting$p[1:7]), -1e-20, -1e-200)
    x <- qemg(log_p, 2, 3, lower.tail = lower, log.p = TRUE)
    found <- pemg(x, 2, 3, lower.tail = lower, log.p = TRUE)
    expect_lt(max(abs(found / log_p - 1)), 1e-12)
  }
  expect_false(is.unsorted(qemg(seq(0, 1, by = 0.01), 0.5, 2), strictly = TRUE))
})

test_that("probabilities 0 and 1 are at the ends of the real line", {
  expect_identical(pemg(c(-Inf, Inf)), c(0, 1))
  expect_identical(pemg(c(-Inf, Inf), lower.tail = FALSE, log.p = TRUE), c(0, -Inf))
  expect_identical(qemg(c(0, 1)), c(-Inf, Inf))
  expect_identical(qemg(c(0, 1), lower.tail = FALSE), c(Inf, -Inf))
  expect_identical(qemg(c(-Inf, 0), log.p = TRUE), c(-Inf, Inf))
})

test_that("probabilities and quantiles follow R's conventions", {
  expect_equal(pemg(1, log.p = TRUE), log(pemg(1)))
  expect_equal(pemg(1, lower.tail = FALSE), 1 - pemg(1))
  expect_equal(qemg(log(0.2), log.p = TRUE), qemg(0.2))
  expect_equal(qemg(0.2, lower.tail = FALSE), qemg(0.8))
  for (distribution in list(pemg, qemg)) {
    p <- c(0.1, 0.2, 0.3, 0.9)
    expect_identical(distribution(p, c(1, 2)), distribution(p, c(1, 2, 1, 2)))
    expect_length(distribution(0.1, 1, 1:3), 3)
    expect_identical(distribution(numeric(0)), numeric(0))
    expect_identical(distribution(0.5, 1, numeric(0)), numeric(0))
    expect_identical(is.nan(distribution(c(NA, NaN, 0.5))), c(FALSE, TRUE, FALSE))
    expect_identical(is.na(distribution(0.5, NA)), TRUE)
    named <- matrix(p, 2, dimnames = list(c("a", "b"), NULL))
    expect_identical(attributes(distribution(named)), attributes(named))
  }
})

test_that("probabilities, quantiles and draws out of range are NaN with a warning", {
  codes <- expression(
    pemg(1, 0), pemg(1, 1, -1), pemg(1, Inf), qemg(0.5, 0), qemg(0.5, 1, Inf),
    qemg(-0.1), qemg(1.1), qemg(0.1, log.p = TRUE), remg(1, 0), remg(1, 1, -1)
  )
  for (code in codes) {
    expect_warning(value <- eval(code), class = "nmu_warning_nan")
    expect_identical(value, NaN)
  }
  expect_warning(qemg(2), "p.* must be a probability", class = "nmu_warning_nan")
  expect_warning(value <- remg(2, c(NA, 1)), class = "nmu_warning_nan")
  expect_identical(is.na(value), c(TRUE, FALSE))
  expect_warning(value <- remg(2, numeric(0)), class = "nmu_warning_nan")
  expect_identical(value, c(NA_real_, NA_real_))
})

test_that("arguments of the wrong type are refused by all of the family", {
  expect_refused(pemg("a"), "q")
  expect_refused(pemg(1, "a"), "lambda")
  expect_refused(pemg(1, lower.tail = NA), "lower.tail")
  expect_refused(pemg(1, log.p = 1), "log.p")
  expect_refused(qemg("a"), "p")
  expect_refused(qemg(0.5, 1, "a"), "sigma")
  expect_refused(qemg(0.5, lower.tail = 1), "lower.tail")
  expect_refused(qemg(0.5, log.p = NA), "log.p")
  for (n in list(-1, 1.5, NA, "a", numeric(0), Inf)) {
    expect_refused(remg(n), "n")
  }
  expect_refused(remg(1, "a"), "lambda")
  expect_refused(remg(1, 1, "a"), "sigma")
})

test_that("draws come from R's generator and have the distribution", {
  set.seed(1)
  x <- remg(20000, 2, 0.7)
  variance <- 1 / 4 + 0.49
  expect_lt(abs(mean(x) - 0.5), 4 * sqrt(variance / 20000))
  # the fourth central moment is 9/lambda^4 + 6 sigma^2/lambda^2 + 3 sigma^4
  fourth <- 9 / 16 + 6 * 0.49 / 4 + 3 * 0.49^2
  expect_lt(abs(var(x) - variance), 4 * sqrt((fourth - variance^2) / 20000))
  expect_gt(ks.test(x, pemg, 2, 0.7)$p.value, 1e-3)
  set.seed(1)
  expect_identical(remg(20000, 2, 0.7), x)
  set.seed(1)
  expect_identical(rexp(20000) / 2 + 0.7 * rnorm(20000), x)
  set.seed(2)
  wide <- remg(4000, c(1, 100), c(0.01, 1e-4))
  expect_lt(max(wide[c(FALSE, TRUE)]), 1)
  expect_gt(max(wide[c(TRUE, FALSE)]), 2)
  expect_length(remg(c(5, 6, 7)), 3)
  expect_identical(remg(0), numeric(0))
})
