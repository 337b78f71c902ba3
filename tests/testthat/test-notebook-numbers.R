# The numbers that the notebook prints, or that follow from its equations.

notebook_blocks <- function() {
  set.seed(1)
  sim_blocks(n = 10)
}

min_residual <- function(A, fit) {
  min(A - fit$d * fit$u %*% t(fit$u))
}

test_that("blocks with lambda = 1 and sigma = 1", {
  A <- notebook_blocks()
  fit <- nmu_em(A, 1, 1)
  expect_printed(min_residual(A, fit), "0.008737815877")
  expect_printed(fit$d, "5.204881")
})

test_that("blocks with lambda = 1 and sigma = 0.1", {
  A <- notebook_blocks()
  fit <- nmu_em(A, 1, 0.1)
  expect_printed(min_residual(A, fit), "0.008737815877")
  expect_printed(fit$d, "9.787206")
})

test_that("with a small lambda everything is absorbed into b", {
  fit <- nmu_em(notebook_blocks(), 0.1, 1)
  expect_identical(fit$u, numeric(20))
  expect_identical(fit$d, 0)
  expect_true(all(fit$b > 0))
})

test_that("lambda and sigma far too large", {
  A <- notebook_blocks()
  fit <- nmu_em(A, 100, 100)
  expect_printed(min_residual(A, fit), "-0.681640928759")
  expect_printed(fit$d, "13.7145871672")
  expect_true(all(fit$u > 0))
})

test_that("blocks with lambda and sigma estimated", {
  fit <- nmu_em_estlambda(notebook_blocks())
  expect_printed(fit$lambda, "2.121926")
  expect_printed(fit$sigma, "0.4388199")
  expect_printed(fit$d, "8.941636")
})

test_that("the tree, seven deflations by hand and by nmu()", {
  lambda <- c("1.528875", "3.279372", "4.01728", "5.50722", "8.331287", "25.96855")
  sigma <- c("0.7285704", "0.4054155", "0.3586417", "0.2984554", "0.2522088", "0.1709344")
  set.seed(1)
  tree <- sim_tree(n = 40)
  fit <- nmu(tree, K = 7, noise = noise_notebook())

  A <- tree
  for (k in 1:6) {
    by_hand <- nmu_em_estlambda(A)
    A <- A - by_hand$d * by_hand$u %*% t(by_hand$u)
    expect_printed(by_hand$lambda, lambda[k])
    expect_printed(by_hand$sigma, sigma[k])
    expect_printed(fit$path$lambda[k], lambda[k])
    expect_printed(fit$path$sigma[k], sigma[k])
  }
  last <- nmu_em_estlambda(A)
  expect_printed(last$lambda, lambda[6])
  expect_printed(last$sigma, sigma[6])
  expect_identical(last$u, numeric(80))
  expect_identical(last$d, 0)
  expect_printed(fit$lambda, lambda[6])
  expect_printed(fit$sigma, sigma[6])
  expect_identical(unname(fit$u[, 7]), numeric(80))
  expect_identical(fit$d[7], 0)
})
