# Writes tests/testthat/fixtures/golden.csv, the current results of some fits of nmu(). The test
# that compares with them detects changes of results; it does not show that results are correct. If
# a change is intended, run this script again and give the reason in the commit message:
#
#   R_LIBS=.lib Rscript data-raw/golden.R

source("tests/testthat/helper-golden.R")
golden <- golden_values(suppressMessages(golden_fits()))
golden$value <- sprintf("%.12g", golden$value)
utils::write.csv(golden, "tests/testthat/fixtures/golden.csv", row.names = FALSE, quote = FALSE)
