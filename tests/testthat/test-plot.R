blocks <- {
  set.seed(41)
  sim_blocks(n = 4)
}
table <- as.matrix(USArrests)[1:12, ]
fits <- list(
  em = nmu_em(blocks, 1, 0.1),
  em_general = nmu_em(table, 0.05, 10),
  nmu = nmu(blocks, K = NULL),
  nmu_general = nmu(table, K = 2),
  diagonal = nmu(blocks, K = 2, ignore_diag = TRUE),
  certified = nmu(table, K = 2, underapprox = TRUE),
  missing = nmu(replace(table, 7:9, NA), K = 2),
  null = silently(nmu(-blocks, K = 2)),
  single = nmu(matrix(3))
)
types <- c("loadings", "matrices", "residuals", "trace", "scree", "tree")

test_that("all plots of all fits are drawn and leave the device as it was", {
  file <- tempfile(fileext = ".pdf")
  on.exit(unlink(file))
  grDevices::pdf(file)
  on.exit(grDevices::dev.off(), add = TRUE, after = FALSE)
  before <- graphics::par(c("mfrow", "mar", "las", "cex"))
  for (name in names(fits)) {
    for (type in types) {
      expect_identical(plot(fits[[name]], type = type), fits[[name]])
      expect_identical(graphics::par(c("mfrow", "mar", "las", "cex")), before, label = type)
    }
  }
  for (style in c("bars", "lines")) {
    plot(fits$nmu, factors = 2:1, group = rep(c("a", "b"), 4), style = style)
    plot(fits$nmu_general, group = list(v = 4:1), style = style)
  }
  plot(nmu(blocks, K = 14, noise = noise_notebook(), control = nmu_control(maxiter = 3)))
  expect_identical(graphics::par(c("mfrow", "mar", "las", "cex")), before)
})

test_that("a tree without branches and a fit without a chosen factor are drawn", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  many <- nmu(-diag(70), K = NULL)
  for (fit in list(many, silently(nmu(matrix(-3))))) {
    for (type in c("tree", "scree")) {
      expect_identical(plot(fit, type = type), fit)
      if (requireNamespace("ggplot2", quietly = TRUE)) {
        expect_error(ggplot2::ggplot_build(ggplot2::autoplot(fit, type = type)), NA)
      }
    }
  }
})

test_that("graphical arguments of the user replace the defaults", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (type in setdiff(types, "tree")) {
    expect_error(plot(fits$nmu_general, type = type, main = "mine", cex.main = 2), NA)
  }
  for (style in c("bars", "lines")) plot(fits$nmu, style = style, col = "red", ylim = c(0, 2))
  drawn <- residual_histogram(fits$nmu, blocks, NULL, breaks = 7)$bars
  expect_lt(length(drawn$counts), 20)
  expect_error(plot(fits$nmu, type = "residuals", breaks = 7, col = "red", xlab = "x"), NA)
})

test_that("plots of too many entries or of unknown parameters are errors", {
  large <- Matrix::sparseMatrix(1:5, 2:6, x = 1, dims = c(7e4, 7e4), symmetric = TRUE)
  fit <- silently(nmu(large, refine = FALSE, control = nmu_control(maxiter = 1)))
  for (type in c("matrices", "residuals")) {
    expect_refused(plot(fit, type = type), "type")
    early <- replace(fits$certified, c("lambda", "sigma"), list(NA_real_))
    expect_refused(plot(early, type = type), "type")
  }
})

test_that("all plots of all fits are built by ggplot2", {
  skip_if_not_installed("ggplot2")
  for (name in names(fits)) {
    for (type in types) {
      plot <- ggplot2::autoplot(fits[[name]], type = type)
      expect_s3_class(plot, "ggplot")
      expect_error(ggplot2::ggplot_build(plot), NA)
    }
  }
})

test_that("layers of ggplot2 have the numbers of the fit", {
  skip_if_not_installed("ggplot2")
  fit <- fits$nmu_general
  drawn <- function(type, layer = 1, ...) {
    ggplot2::layer_data(ggplot2::autoplot(fit, type = type, ...), layer)
  }
  bars <- drawn("loadings")
  # row by row: both sides of the first factor, then those of the next
  sides <- list(coef(fit)[, 1], coef(fit, "v")[, 1], coef(fit)[, 2], coef(fit, "v")[, 2])
  for (panel in 1:4) expect_equal(bars$y[bars$PANEL == panel], unname(sides[[panel]]))
  points <- drawn("loadings", 2, factors = "k2", style = "lines", scale = "unit")
  expect_equal(points$y, unname(c(fit$u[, 2], fit$v[, 2])))
  # one monotone scale of colours for all matrices
  cells <- drawn("matrices")
  values <- unlist(lapply(matrix_panels(fit, fit$A), as.vector), use.names = FALSE)
  expect_length(values, nrow(cells))
  expect_identical(cells$fill[which.min(values)], viridis(20)[1])
  expect_identical(cells$fill[which.max(values)], viridis(20)[20])
  expect_identical(length(unique(cells$fill[values == values[1]])), 1L)
  histogram <- drawn("residuals")
  expect_equal(sum(histogram$y * (histogram$xmax - histogram$xmin)), 1)
  density <- drawn("residuals", 2)
  expect_equal(density$y, demg(density$x, fit$lambda, fit$sigma))
  expect_equal(sort(drawn("trace", 2)$y), sort(trace_lines(fit)$loglik))
  expect_true(all(fit$d %in% drawn("scree", 2)$y))
})

test_that("arguments of plots are checked", {
  expect_refused(plot(fits$nmu, type = "tree of life"), "type")
  expect_refused(plot(fits$nmu, factors = 40), "factors")
  expect_refused(plot(fits$nmu, factors = "k99"), "factors")
  expect_refused(plot(fits$nmu, factors = numeric(0)), "factors")
  expect_refused(plot(fits$nmu, group = 1:3), "group")
  expect_refused(plot(fits$nmu, group = c(1:7, NA)), "group")
  expect_refused(plot(fits$nmu, group = list(w = 1:8)), "group")
  expect_refused(plot(fits$nmu, group = list(1:8)), "group")
  expect_refused(plot(fits$nmu, style = "dots"), "style")
  expect_refused(plot(nmu_em(blocks, 1, 0.1, trace = FALSE), type = "trace"), "type")
  bare <- nmu(table, control = nmu_control(keep_data = FALSE))
  expect_refused(plot(bare, type = "matrices"), "A")
})

test_that("the four matrices add up, also in blocks", {
  for (fit in fits) {
    A <- unname(fit$A)
    panels <- lapply(matrix_panels(fit, fit$A), unname)
    if (isTRUE(fit$ignore_diag)) diag(A) <- NA
    expect_equal(panels$A, A, ignore_attr = TRUE)
    expect_equal(panels$fitted, unname(fitted(fit)))
    expect_equal(panels[[3]], unname(posterior_b(fit)$mean))
    expect_equal(panels[[2]] + panels[[3]] + panels[[4]], panels[[1]])
  }
  fit <- fits$missing
  cells <- matrix_panels(fit, fit$A, most = 3)
  rows <- rep(1:3, each = 4)
  columns <- ceiling(1:4 * 3 / 4)
  expected <- sapply(1:3, function(j) {
    sapply(1:3, function(i) mean(fit$A[rows == i, columns == j], na.rm = TRUE))
  })
  expect_equal(cells$A, expected)
})

test_that("groups order the loadings", {
  by <- factor(c("b", "a", "b", "a", "c", "c", "a", "b"))
  panels <- loading_panels(fits$nmu, "u", 1, by)
  expect_identical(panels$labels, as.character(c(2, 4, 7, 1, 3, 8, 5, 6)))
  expect_equal(unname(panels$values[, 1]), unname(coef(fits$nmu)[order(by), 1]))
  expect_identical(panels$group, sort(by))
})

test_that("pictures", {
  skip_if_not_installed("vdiffr")
  for (type in types) {
    vdiffr::expect_doppelganger(type, function() plot(nested_fit, type = type))
  }
  group <- rep(c("north", "south"), c(4, 6))
  vdiffr::expect_doppelganger("grouped", function() {
    plot(nested_fit, group = group, style = "lines")
  })
  skip_if_not_installed("ggplot2")
  # ggplot2 3.5.0 changed the layout of axes and legends, so that every picture differs from the
  # stored ones. The numbers in the layers, which hold for all versions, are tested above.
  skip_if_not(utils::packageVersion("ggplot2") < "3.5.0")
  for (type in types) {
    vdiffr::expect_doppelganger(paste("gg", type), ggplot2::autoplot(nested_fit, type = type))
  }
})
