library(testthat)
library(nmu)

test_check("nmu")
