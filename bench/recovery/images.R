# Two data sets of images, with an image in each row

# The swimmer: a torso that is in every image, and four limbs, each in one of four positions, on a
# grid of 20 x 11. No two of its 17 parts share a pixel.
swimmer_parts <- function() {
  pixels <- function(row, column) {
    grid <- matrix(0, 20, 11)
    grid[cbind(row, column)] <- 1
    as.vector(grid)
  }
  step <- 1:4
  # the positions of the limb at the left of row r: horizontal, diagonal up, diagonal down, vertical
  limb <- function(r, upright, mirror) {
    column <- function(c) if (mirror) 12 - c else c
    cbind(
      pixels(r, column(6 - step)), pixels(r - step, column(6 - step)),
      pixels(r + step, column(6 - step)), pixels(r + upright * (1 + step), column(5))
    )
  }
  list(
    torso = pixels(7:14, 6),
    limbs = list(limb(7, -1, FALSE), limb(7, -1, TRUE), limb(14, 1, FALSE), limb(14, 1, TRUE))
  )
}

swimmer_data <- function() {
  parts <- swimmer_parts()
  positions <- as.matrix(expand.grid(1:4, 1:4, 1:4, 1:4))
  images <- apply(positions, 1, function(position) {
    parts$torso + Reduce(`+`, Map(function(limb, i) limb[, i], parts$limbs, position))
  })
  truth <- cbind(parts$torso, do.call(cbind, parts$limbs))
  list(A = t(images), truth = truth, side = "v", K = ncol(truth))
}

# Handwritten digits, 8 x 8 pixels from 0 to 16, from scikit-learn; NULL if it is not installed
read_digits <- function() {
  if (is.null(python)) {
    return(NULL)
  }
  code <- paste(
    "import sys, numpy", "from sklearn.datasets import load_digits",
    "numpy.savetxt(sys.stdout, load_digits().data, '%d')",
    sep = "\n"
  )
  unname(as.matrix(read.table(text = system2(python, c("-c", shQuote(code)), stdout = TRUE))))
}
