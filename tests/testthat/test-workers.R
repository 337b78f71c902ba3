# Fits are identical for threads, forks, other R processes and any random seed.

numbers_of <- function(fit) {
  unclass(fit)[c("d", "u", "v", "lambda", "sigma", "loglik", "path", "certificate", "posterior")]
}

# Settings of fits, named after what they test; the last two have a matrix that is not symmetric.
fits_of <- function(threads) {
  set.seed(11)
  whole <- random_matrix(70, symmetric = TRUE)
  wide <- replace(random_matrix(60, 90), 5:9, NA)
  control <- nmu_control(threads = threads)
  fit <- function(...) silently(nmu(..., control = control))
  list(
    mle = fit(whole, K = 3),
    prior = fit(whole, K = 2, prior = prior_point_exponential()),
    certified = fit(whole, K = 2, underapprox = TRUE),
    notebook = fit(whole, K = 2, noise = noise_notebook()),
    chosen = fit(wide, K = NULL),
    moments = fit(wide, K = 2, noise = noise_moments(), prior = prior_mixture())
  )
}

test_that("results are the same to the bit for every number of threads and every random seed", {
  one <- lapply(fits_of(1), numbers_of)
  set.seed(99)
  seed <- .Random.seed
  suppressMessages(nmu(diag(4) + 1, K = 2, prior = prior_binary()))
  expect_identical(.Random.seed, seed)
  for (threads in if (on_cran()) 1:2 else c(1, 2, 4, 8)) {
    again <- lapply(fits_of(threads), numbers_of)
    for (name in names(one)) expect_identical(again[[name]], one[[!!name]])
  }
})

test_that("all draws follow set.seed()", {
  fit <- suppressMessages(nmu(diag(4) + 1))
  draws <- list(
    function() remg(5), function() sim_blocks(3), function() sim_tree(4),
    function() simulate(fit, nsim = 2), function() posterior_b(fit, draws = 3)$draws
  )
  for (draw in draws) {
    set.seed(5)
    first <- draw()
    second <- draw()
    set.seed(5)
    expect_identical(unname(unlist(draw())), unname(unlist(first)))
    expect_false(identical(unname(unlist(second)), unname(unlist(first))))
  }
})

test_that("fits in forked processes are identical", {
  skip_on_os("windows")
  set.seed(12)
  problems <- lapply(1:8, function(index) random_matrix(40))
  # threads before and after the fork
  fit <- function(A) numbers_of(suppressMessages(nmu(A, K = 2, control = nmu_control(threads = 2))))
  serial <- lapply(problems, fit)
  cores <- if (on_cran()) 2 else 4
  expect_identical(parallel::mclapply(problems, fit, mc.cores = cores), serial)
})

test_that("fits in other R processes are identical", {
  skip_on_cran()
  set.seed(13)
  A <- random_matrix(30)
  fit <- function(A) {
    fit <- suppressMessages(nmu::nmu(A, K = 2, control = nmu::nmu_control(threads = 2)))
    unclass(fit)[c("d", "u", "v", "lambda", "sigma", "loglik")]
  }
  here <- fit(A)
  workers <- parallel::makePSOCKcluster(2)
  on.exit(parallel::stopCluster(workers))
  # by name: a copy of .libPaths() would set only its own paths
  parallel::clusterCall(workers, function(paths) .libPaths(paths), .libPaths())
  expect_identical(parallel::parLapply(workers, list(A, A), fit), list(here, here))
  skip_if_not_installed("callr")
  expect_identical(callr::r(fit, list(A)), here)
})

test_that("a failed allocation is an error, and later fits work", {
  skip_on_os(c("windows", "mac"))
  skip_on_cran()
  skip_if_not_installed("callr")
  skip_if(!nzchar(Sys.which("prlimit")))
  result <- callr::r(function() {
    show_message <- function(code) {
      tryCatch({
        code
        "none"
      }, error = function(error) c(class(error)[1], conditionMessage(error)))
    }
    # load and create everything that is made on first use
    nmu::nmu_em(diag(3), maxiter = 1)
    show_message(suppressMessages(nmu::nmu(diag(3), underapprox = TRUE)))
    show_message(nmu::nmu("a"))
    A <- matrix(1, 3000, 3000)
    large <- Matrix::sparseMatrix(1:2, 1:2, x = 1, dims = c(1e6, 1e6))
    nmu::nmu_em(large[1:3, 1:3], maxiter = 1)
    pid <- Sys.getpid()
    used <- grep("^VmSize", readLines("/proc/self/status"), value = TRUE)
    # memory for half of another A
    limit <- 1024 * as.numeric(gsub("[^0-9]", "", used)) + 36e6
    stopifnot(system2("prlimit", c(sprintf("--pid=%d", pid), sprintf("--as=%.0f", limit))) == 0)
    list(
      # 68 numbers for each of 1e6 rows do not fit
      vectors = show_message(suppressMessages(nmu::nmu(large, refine = FALSE))),
      vectors_of_em = show_message(nmu::nmu_em(large, maxiter = 1)),
      b = show_message(nmu::nmu_em(A, maxiter = 1)),
      b_of_sparse = show_message(nmu::nmu_em(large, maxiter = 1, keep_b = TRUE)),
      copies = show_message(nmu::nmu(A, underapprox = TRUE)),
      after = nmu::nmu_em(diag(3), maxiter = 1)$iterations
    )
  })
  # R fails to allocate its own objects, the core its vectors and working copies
  for (name in c("vectors", "vectors_of_em")) {
    expect_identical(result[[name]][1], "nmu_error_core")
    expect_match(result[[name]][2], "no memory for the vectors of a fit")
  }
  expect_match(result$b[2], "allocate|memory")
  expect_match(result$b_of_sparse[2], "allocate|memory")
  expect_identical(result$copies[1], "nmu_error_core")
  expect_match(result$copies[2], "no memory for")
  expect_equal(result$after, 1)
})
