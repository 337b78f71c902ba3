# Draws the figures of README.md into man/figures. Run it when the appearance of plots has changed:
#
#   R_LIBS=.lib Rscript tools/pictures.R

library(nmu)

draw <- function(name, width, height, code) {
  file <- file.path("man", "figures", paste0(name, ".png"))
  grDevices::png(file, width, height, res = 110)
  on.exit(grDevices::dev.off())
  force(code)
  message("wrote ", file)
}

dir.create(file.path("man", "figures"), showWarnings = FALSE)
fit <- nmu(datasets::Harman74.cor$cov, K = 4)
draw("README-loadings", 1000, 640, plot(fit))
draw("README-matrices", 1000, 270, plot(fit, type = "matrices"))

set.seed(1)
tree <- nmu(sim_tree(n = 40), K = 6, prior = "binary", ignore_diag = TRUE)
draw("README-tree", 700, 330, plot(factor_tree(tree, lengths = "entry")))
