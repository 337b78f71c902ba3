# The largest sum of cosines over all one-to-one matchings, by enumeration.
best_sum <- function(cosine) {
  if (nrow(cosine) == 0 || ncol(cosine) == 0) {
    return(0)
  }
  others <- vapply(seq_len(ncol(cosine)), FUN.VALUE = 0, FUN = function(j) {
    cosine[1, j] + best_sum(cosine[-1, -j, drop = FALSE])
  })
  max(others, best_sum(cosine[-1, , drop = FALSE]))
}

cosines <- function(x, y) {
  crossprod(x, y) / sqrt(outer(colSums(x^2), colSums(y^2)))
}

blocks <- diag(3)[rep(1:3, each = 4), ]

test_that("a permutation with other scales is found", {
  found <- match_factors(blocks[, c(3, 1, 2)] * rep(c(1, 1e-200, 1e200), each = 12), blocks)
  expect_s3_class(found, c("nmu_match", "data.frame"), exact = TRUE)
  expect_identical(found$truth, c("k1", "k2", "k3"))
  expect_identical(found$factor, c(2L, 3L, 1L))
  expect_equal(found$cosine, rep(1, 3))
  expect_lte(max(found$cosine), 1)
  expect_identical(attr(found, "extra"), integer(0))
  expect_equal(attr(found, "mean_cosine"), 1)
})

test_that("the sum of cosines is the maximum", {
  set.seed(51)
  for (sizes in list(c(4, 4), c(5, 3), c(3, 5), c(1, 4), c(4, 1), c(1, 1))) {
    truth <- matrix(rexp(7 * sizes[1])^3, 7)
    fit <- matrix(rexp(7 * sizes[2])^3, 7)
    found <- match_factors(fit, truth)
    cosine <- cosines(truth, fit)
    expect_equal(sum(found$cosine), best_sum(cosine))
    expect_equal(attr(found, "mean_cosine"), best_sum(cosine) / sizes[1])
    partner <- found$factor[!is.na(found$factor)]
    expect_length(partner, min(sizes))
    expect_identical(anyDuplicated(partner), 0L)
    expect_setequal(c(partner, attr(found, "extra")), seq_len(sizes[2]))
    # negative loadings are allowed: a pair with a negative cosine is not matched
    signed <- matrix(rnorm(7 * sizes[2]), 7)
    expect_equal(sum(match_factors(signed, truth)$cosine), best_sum(cosines(truth, signed)))
  }
})

test_that("the numbers of factors may differ, and zero columns match nothing", {
  short <- match_factors(blocks[, 2, drop = FALSE], blocks)
  expect_identical(short$factor, c(NA, 1L, NA))
  expect_equal(short$cosine, c(0, 1, 0))
  expect_equal(attr(short, "mean_cosine"), 1 / 3)

  long <- match_factors(cbind(0, blocks[, 2:3], 1), blocks[, 2:3])
  expect_identical(long$factor, 2:3)
  expect_identical(attr(long, "extra"), c(1L, 4L))

  zero <- match_factors(blocks, cbind(a = blocks[, 1], b = 0))
  expect_identical(zero$truth, c("a", "b"))
  expect_identical(zero$factor, c(1L, NA))
  expect_identical(zero$cosine[2], 0)
  expect_identical(attr(zero, "extra"), 2:3)

  none <- match_factors(blocks[, 0], blocks)
  expect_identical(none$factor, rep(NA_integer_, 3))
  expect_identical(attr(none, "mean_cosine"), 0)
})

test_that("fits are matched, on either side", {
  set.seed(52)
  A <- sim_tree(n = 8)
  fit <- nmu(A, K = 7, noise = noise_notebook())
  found <- match_factors(fit, attr(A, "loadings"))
  expect_identical(as.data.frame(found), as.data.frame(match_factors(fit$u, attr(A, "loadings"))))
  expect_gt(attr(found, "mean_cosine"), 0.9)
  single <- match_factors(nmu_em(A, sigma = 0.1), fit)
  expect_identical(single$truth, colnames(fit$u))
  expect_identical(sum(!is.na(single$factor)), 1L)

  rectangular <- nmu(USArrests, K = 2)
  same <- match_factors(rectangular, rectangular, side = "v")
  expect_identical(same$factor, 1:2)
  expect_refused(match_factors(rectangular, rectangular$v), "truth")
  expect_identical(match_factors(rectangular, rectangular$v, "v")$factor, 1:2)
})

test_that("a subset of a matching is a plain data frame", {
  found <- match_factors(blocks[, 1:2], blocks)
  plain <- as.data.frame(found)
  expect_identical(class(plain), "data.frame")
  expect_setequal(names(attributes(plain)), c("names", "row.names", "class"))
  expect_identical(found[2:3, ], plain[2:3, ])
  expect_identical(found["cosine"], plain["cosine"])
  expect_identical(found[, "cosine"], plain$cosine)
  expect_identical(found[found$cosine > 0, c("truth", "factor")], plain[1:2, 1:2])
  expect_identical(found[], plain)
  expect_identical(nrow(found), 3L)
})

test_that("matchings are printed", {
  loadings <- cbind(blocks[, 2:1] + 0.1, 0)
  expect_snapshot({
    match_factors(loadings, cbind(left = blocks[, 1], right = blocks[, 2]))
    match_factors(blocks[, 3, drop = FALSE], blocks)
  })
  found <- match_factors(blocks, blocks)
  expect_output(expect_identical(withVisible(print(found))$visible, FALSE))
})

test_that("invalid arguments are refused", {
  expect_refused(match_factors("u", blocks), "fit")
  expect_refused(match_factors(blocks[, 1], blocks), "fit")
  expect_refused(match_factors(replace(blocks, 5, NA), blocks), "fit")
  expect_refused(match_factors(matrix(0, 0, 2), blocks), "fit")
  expect_refused(match_factors(blocks, replace(blocks, 5, Inf)), "truth")
  expect_refused(match_factors(blocks, blocks[-1, ]), "truth")
  expect_refused(match_factors(blocks, blocks[, 0]), "truth")
  expect_refused(match_factors(blocks, list(blocks)), "truth")
  expect_refused(match_factors(blocks, blocks > 0 & NA), "truth")
  expect_refused(match_factors(blocks, blocks, side = "w"), "side")
})
