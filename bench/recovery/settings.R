# Data sets. A setting has a label, its seeds, whether fits ignore the diagonal (NULL: the default
# of nmu()), the names of the methods that it compares (NULL: all), and `make(seed)`, which returns
# `A`, `K` and, if they are known, the true loadings `truth` and the `side` of a fit that they
# belong to.

# Covariance of n samples over `features`: S = YY'/p with Y = LF' + E, where column k of F has
# standard deviation sd and `noise` draws E. `centred` subtracts the mean of each feature from Y.
covariance_data <- function(loadings, sd, features = 1000, noise = rnorm, centred = FALSE) {
  n <- nrow(loadings)
  scores <- matrix(rnorm(features * ncol(loadings), sd = sd), features)
  Y <- tcrossprod(loadings, scores) + matrix(noise(n * features), n)
  if (centred) Y <- sweep(Y, 2, colMeans(Y))
  list(A = tcrossprod(Y) / features, truth = loadings, side = "u", K = ncol(loadings))
}

# A general matrix of dense factors with a remainder of mean 1/2, without other noise
general_data <- function(n, p, K) {
  W <- matrix(rexp(n * K), n)
  A <- W %*% matrix(rexp(K * p), K) + matrix(rexp(n * p, 2), n)
  list(A = A, truth = W, side = "u", K = K)
}

indicator <- function(group) 1 * outer(group, unique(group), "==")

# Indicators of the root, two halves and four quarters
balanced_tree <- function(size = 40) {
  quarter <- rep(1:4, each = size)
  cbind(1, indicator((quarter + 1) %/% 2), indicator(quarter))
}

overlapping_groups <- function(n = 100, groups = 10, share = 0.1) {
  matrix(rbinom(n * groups, 1, share), n)
}

# The same tree with branches of different length, and with clades of different size
long_branches <- function() sweep(balanced_tree(), 2, c(2, 1.5, 2.5, 1, 2, 3, 1.5), "*")
uneven_clades <- function() {
  size <- c(30, 70, 40, 20)
  cbind(1, indicator(rep(c(1, 1, 2, 2), size)), indicator(rep(1:4, size)))
}

# Loadings of which a share is not zero; their values are drawn by `draw`
continuous_groups <- function(draw, share, n = 100, groups = 10) {
  overlapping_groups(n, groups, share) * matrix(draw(n * groups), n)
}

notebook_tree <- function(weight) {
  A <- sim_tree(n = 40, weights = c(1, 1, rep(weight, 4)))
  list(A = A[, ], truth = attr(A, "loadings"), side = "u", K = 6)
}

heavy_tails <- function(count) rt(count, 3)

simulated <- function(label, draw, seeds, ignore_diag = FALSE, methods = NULL) {
  make <- function(seed) {
    set.seed(seed)
    draw()
  }
  list(label = label, seeds = seeds, ignore_diag = ignore_diag, methods = methods, make = make)
}

fixed <- function(label, data) {
  list(label = label, seeds = 1, ignore_diag = FALSE, make = function(seed) data)
}

# Covariance matrices of simulated features
covariance_settings <- function(seeds) {
  list(
    balanced = simulated(
      "balanced tree, 4 x 40, sd 2", function() covariance_data(balanced_tree(), 2), seeds
    ),
    overlapping = simulated(
      "10 overlapping groups, n = 100", function() covariance_data(overlapping_groups(), 1), seeds
    ),
    disjoint = simulated(
      "4 disjoint groups of 40, sd 2",
      function() covariance_data(indicator(rep(1:4, each = 40)), 2), seeds
    ),
    branches = simulated(
      "balanced tree, branch sd 1 to 3", function() covariance_data(long_branches(), 1), seeds
    ),
    clades = simulated(
      "tree, clades of 20 to 100, sd 2", function() covariance_data(uneven_clades(), 2), seeds
    ),
    uniform_groups = simulated(
      "10 overlapping groups, loadings U(0.3, 2)",
      function() {
        covariance_data(continuous_groups(function(count) runif(count, 0.3, 2), 0.15), 1)
      },
      seeds
    ),
    exponential_groups = simulated(
      "10 overlapping groups, loadings Exp(1)",
      function() covariance_data(continuous_groups(rexp, 0.2), 1), seeds
    ),
    dense = simulated(
      "5 dense factors, loadings Exp(1)",
      function() covariance_data(continuous_groups(rexp, 1, groups = 5), 1), seeds
    ),
    centred = simulated(
      "groups of 40, 30, 20, 10, centred, no diagonal",
      function() covariance_data(indicator(rep(1:4, c(40, 30, 20, 10))), 1, centred = TRUE),
      seeds,
      ignore_diag = TRUE
    ),
    few_features = simulated(
      "10 overlapping groups, 100 features",
      function() covariance_data(overlapping_groups(), 1, features = 100), seeds
    ),
    tails = simulated(
      "10 overlapping groups, t(3) noise",
      function() covariance_data(overlapping_groups(), 1, noise = heavy_tails), seeds
    ),
    tails_no_diag = simulated(
      "10 overlapping groups, t(3) noise, no diagonal",
      function() covariance_data(overlapping_groups(), 1, noise = heavy_tails), seeds,
      ignore_diag = TRUE
    )
  )
}

# General matrices, compared with nonnegative matrix factorisation
general_settings <- function(seeds) {
  dense <- function(n, p, K, seeds) {
    simulated(
      sprintf("general, %d x %d, rank %d", n, p, K), function() general_data(n, p, K), seeds,
      methods = c("default", "path", "unknown", "rcppml")
    )
  }
  list(
    general_60 = dense(60, 20, 3, seeds),
    general_300 = dense(300, 200, 5, seeds),
    # `unknown` takes a minute
    general_1500 = dense(1500, 600, 5, utils::head(seeds, 5))
  )
}

# Adjacency matrix, in sparse storage, of a block model: nodes of one group are linked with
# probability `within`, others with `between`
block_data <- function(sizes, within, between) {
  group <- rep(seq_along(sizes), sizes)
  n <- length(group)
  linked <- lapply(seq_len(n - 1), function(node) {
    later <- seq(node + 1, n)
    later[stats::runif(n - node) < ifelse(group[later] == group[node], within, between)]
  })
  A <- Matrix::sparseMatrix(
    rep(seq_len(n - 1), lengths(linked)), unlist(linked), x = 1, dims = c(n, n)
  )
  list(A = A + Matrix::t(A), truth = indicator(group), side = "u", K = length(sizes))
}

# Block models, compared with nonnegative matrix factorisation; the default ignores the diagonal
graph_settings <- function(seeds) {
  block <- function(sizes, within, between) {
    even <- length(unique(sizes)) == 1
    groups <- if (even) sprintf("%d of %d", length(sizes), sizes[1]) else toString(sizes)
    simulated(
      sprintf("graph, groups %s, links %g and %g", groups, within, between),
      function() block_data(sizes, within, between), seeds,
      ignore_diag = NULL, methods = c("default", "unknown", "rcppml", "rcppml_best")
    )
  }
  list(
    blocks_250 = block(rep(50, 5), 0.2, 0.02),
    blocks_300 = block(c(120, 80, 60, 40), 0.2, 0.02),
    blocks_500 = block(rep(100, 5), 0.1, 0.01),
    blocks_500_ten = block(rep(50, 10), 0.2, 0.01),
    blocks_500_uneven = block(c(200, 120, 80, 60, 40), 0.2, 0.02),
    blocks_1000 = block(rep(125, 8), 0.08, 0.01),
    blocks_1000_uneven = block(c(300, 250, 200, 150, 100), 0.06, 0.01),
    blocks_2000 = block(rep(200, 10), 0.06, 0.005)
  )
}

# Data sets that exist once
fixed_settings <- function() {
  settings <- list(
    tree1 = simulated("notebook's tree, weights 1", function() notebook_tree(1), 1),
    tree3 = simulated("notebook's tree, weights 3", function() notebook_tree(3), 1),
    tree8 = simulated("notebook's tree, weights 8", function() notebook_tree(8), 1),
    swimmer = fixed("swimmer, 256 x 220", swimmer_data())
  )
  digits <- read_digits()
  if (is.null(digits)) {
    message("scikit-learn is not installed: the digits are skipped")
  } else {
    settings$digits <- fixed("digits, 1797 x 64", list(A = digits, K = 16))
  }
  expression <- read_golub()
  if (is.null(expression)) {
    message("multtest is not installed: the leukaemia samples are skipped")
  } else {
    settings$golub <- fixed("leukaemia, correlations of 38 samples", list(A = expression, K = 3))
  }
  settings
}

# All settings. `seeds` are those of simulated matrices.
make_settings <- function(seeds) {
  c(
    covariance_settings(seeds), general_settings(seeds), graph_settings(seeds), fixed_settings()
  )
}
