# Writes tests/testthat/fixtures/golden.csv: what fits of nmu() gave when it was written. It says
# that results have changed, not that they were right; where a change is meant, run it again and say
# why in the commit:
#
#   R_LIBS=.lib Rscript data-raw/golden.R

source("tests/testthat/helper-golden.R")
golden <- golden_values(suppressMessages(golden_fits()))
golden$value <- sprintf("%.12g", golden$value)
utils::write.csv(golden, "tests/testthat/fixtures/golden.csv", row.names = FALSE, quote = FALSE)
