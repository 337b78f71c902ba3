# Random graphs with planted groups, as a dgCMatrix

# `n` nodes with about `degree` links each, of which a share `inside` ends in the node's own group;
# links drawn twice count twice. No object is larger than the list of links.
planted_groups <- function(n, degree = 20, groups = 5, inside = 0.9) {
  count <- n * degree / 2
  from <- floor(runif(count) * n)
  size <- n / groups
  own <- runif(count) < inside
  to <- runif(count)
  to <- floor(ifelse(own, (from %/% size + to) * size, to * n))
  kept <- from != to
  links <- Matrix::sparseMatrix(
    i = pmin(from, to)[kept] + 1, j = pmax(from, to)[kept] + 1, x = 1, dims = c(n, n),
    symmetric = TRUE
  )
  methods::as(links, "generalMatrix")
}

# The noise settings that find communities in a matrix that is mostly zero, see ?nmu_large
community_noise <- function(A) {
  size <- as.double(nrow(A)) * ncol(A)
  noise_fixed(size / sum(A@x), sqrt(sum(A@x^2) / size))
}

# The cosine between a factor and the most similar group
best_cosine <- function(u, groups = 5) {
  member <- (seq_along(u) - 1) %/% (length(u) / groups)
  sums <- vapply(split(u, member), sum, 0)
  max(sums) / sqrt(sum(u^2) * length(u) / groups)
}
