test_that("a fit can be interrupted at any moment, and the session goes on", {
  skip_on_cran()
  skip_on_os("windows")
  skip_if_not_installed("callr")
  set.seed(20)
  count <- if (extended_tests()) 200 else 8
  told <- interrupted_fits(count)
  expect_equal(sum(told$seen), count)
  expect_gt(told$seen[["core"]], 0)
  expect_equal(told$broken, 0)
  expect_true(told$same)
})
