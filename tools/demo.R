# `make demo`: prints and plots two fits. The first is of the correlation matrix of 24 psychological
# tests, in which a factor should be a group of tests that measure one ability. The second is of the
# notebook's tree, in which a factor should be a branch of the tree.

library(nmu)

# Prints the parameters of a fit and, for each factor, the number of rows whose loading is above a
# tenth of the largest, and the rows with the largest loadings.
show_fit <- function(title, fit, top = 5L) {
  cat("\n", title, "\n", strrep("-", nchar(title)), "\n", sep = "")
  cat(sprintf("model with all factors: lambda %.4g, sigma %.4g\n", fit$lambda, fit$sigma))
  for (k in seq_along(fit$d)) {
    u <- fit$u[, k]
    if (fit$d[[k]] == 0) {
      cat(sprintf("factor %d: null\n", k))
      next
    }
    largest <- utils::head(order(u, decreasing = TRUE), top)
    largest <- largest[u[largest] > 0]
    cat(sprintf(
      "factor %d: d = %.3g; %d of %d rows load on it; largest loadings: %s\n",
      k, fit$d[[k]], sum(u > max(u) / 10), length(u), toString(rownames(fit$u)[largest])
    ))
  }
}

# Draws the matrix and, to its right, the loadings, with row 1 at the top.
draw_fit <- function(title, A, fit) {
  blues <- grDevices::hcl.colors(64L, "Blues 3", rev = TRUE)
  upright <- function(x) t(x[rev(seq_len(nrow(x))), , drop = FALSE])
  graphics::image(upright(A), col = blues, axes = FALSE, main = title)
  if (nrow(A) <= 40L) {
    at <- seq(1, 0, length.out = nrow(A))
    graphics::axis(2L, at, labels = rownames(A), tick = FALSE, las = 1, cex.axis = 0.6, line = -0.8)
  }
  loadings <- fit$u %*% diag(sqrt(fit$d), length(fit$d))
  graphics::image(upright(loadings), col = blues, axes = FALSE, main = "factors")
  at <- if (length(fit$d) > 1L) seq(0, 1, length.out = length(fit$d)) else 0
  graphics::axis(1L, at, labels = seq_along(fit$d), tick = FALSE, gap.axis = 0)
}

tests <- datasets::Harman74.cor$cov
abilities <- nmu(tests, K = 4, noise = noise_notebook())
show_fit("Harman74.cor: 24 psychological tests", abilities)

set.seed(1)
tree <- sim_tree(n = 40, weights = rep(1, 6), noise = 0.1)
dimnames(tree) <- rep(list(paste0("tip", seq_len(nrow(tree)))), 2L)
branches <- nmu(tree, K = 7, noise = noise_notebook())
show_fit("The notebook's tree: 80 tips, 6 branches", branches, top = 3L)

# The folder is not named demo, since R treats a folder of that name as part of the package.
dir.create("demo-output", showWarnings = FALSE)
as_png <- capabilities("png")
picture <- file.path("demo-output", if (as_png) "demo.png" else "demo.pdf")
if (as_png) {
  grDevices::png(picture, width = 1600, height = 800, res = 150)
} else {
  grDevices::pdf(picture, width = 10.7, height = 5.3)
}
graphics::layout(matrix(1:4, nrow = 1L), widths = c(3, 2, 3, 2))
graphics::par(mar = c(2, 7, 2, 1))
draw_fit("24 tests", tests, abilities)
draw_fit("tree", tree, branches)
invisible(grDevices::dev.off())
cat("\npicture: ", normalizePath(picture), "\n", sep = "")
