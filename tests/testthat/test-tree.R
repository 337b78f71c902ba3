test_that("nested groups form their tree", {
  tree <- factor_tree(nested_fit, lengths = "entry")
  branches <- tree$branches[order(tree$branches$factor), ]
  expect_identical(branches$parent, c(NA, NA, "k1", "k2"))
  expect_equal(branches$length, c(3, 2, 1, 4))
  expect_identical(branches$size, c(4L, 6L, 2L, 3L))
  expect_identical(tree$tips$parent, rep(c("k3", "k1", "k2", "k4"), c(2, 2, 3, 3)))
  expect_identical(nrow(tree$left_out), 0L)
  weights <- factor_tree(nested_fit)$branches
  expect_equal(weights$length, nested_fit$d[match(weights$factor, colnames(nested_fit$u))])
})

test_that("the tree of an exact covariance has its branch lengths, as ape reads them", {
  skip_if_not_installed("ape")
  phylo <- ape::as.phylo(factor_tree(nested_fit, lengths = "entry"))
  expect_output(ape::checkValidPhylo(phylo), "Done")
  expect_equal(ape::vcv(phylo)[nested_labels, nested_labels], nested_matrix)
  read <- ape::read.tree(text = as_newick(nested_fit, lengths = "entry"))
  expect_equal(ape::vcv(read)[nested_labels, nested_labels], nested_matrix)
})

test_that("a factor that overlaps a heavier one is left out, and named", {
  S <- cbind(rep(1:0, c(6, 4)), rep(0:1, c(3, 7)), rep(1:0, c(2, 8)), 0)
  fit <- fit_of(c(3, 1, 1), S[, 1:3])
  fit$d <- c(fit$d, 0)
  fit$u <- fit$v <- cbind(fit$u, k4 = 0)
  tree <- factor_tree(fit)
  expect_identical(tree$branches$factor, c("k1", "k3"))
  expect_identical(tree$left_out$factor, c("k2", "k4"))
  expect_identical(tree$left_out$conflict, c("k1", NA))
  expect_identical(tree$tips$tip[is.na(tree$tips$parent)], as.character(7:10))
  expect_output(print(tree), "left out: k2 (overlaps k1), k4", fixed = TRUE)
  # small overlaps are not nesting
  expect_identical(nrow(factor_tree(fit, nesting = 0.5)$left_out), 1L)
})

test_that("core_group needs no threshold", {
  expect_identical(core_group(c(1, 1, 1, 0.01, 0)), c(TRUE, TRUE, TRUE, FALSE, FALSE))
  expect_identical(core_group(c(0, 0)), c(FALSE, FALSE))
  set.seed(3)
  x <- rexp(9)
  sets <- as.matrix(expand.grid(rep(list(0:1), 9)))[-1, ]
  cosine <- drop(sets %*% x)^2 / rowSums(sets)
  expect_equal(core_group(x), unname(sets[which.max(cosine), ] == 1))
})

test_that("names are quoted in Newick if needed, and can be read back", {
  labels <- c("a b", "it's", "x(1)", "p:q", "r_s", "t,u", "plain", "v;w", "[z]", "10")
  fit <- fit_of(c(3, 2, 1, 4), nested_groups, labels)
  text <- as_newick(fit)
  expect_match(text, "'it''s':0", fixed = TRUE)
  expect_match(text, "plain:0", fixed = TRUE)
  expect_match(text, "'p:q':0", fixed = TRUE)
  # a name without quotes is one word
  bare <- gsub("'([^']|'')*'", "Q", text)
  expect_match(bare, "^[A-Za-z0-9.,:()]+;$")
})

test_that("trees of a fit", {
  set.seed(1)
  fit <- nmu(sim_tree(n = 10), K = NULL)
  tree <- factor_tree(fit)
  expect_identical(nrow(tree$branches), length(fit$d))
  expect_identical(as_newick(fit), as_newick(tree))
  expect_refused(factor_tree(1), "fit")
  expect_refused(factor_tree(fit, nesting = 0.2), "nesting")
  expect_refused(factor_tree(fit, lengths = "time"), "lengths")
  expect_refused(factor_tree(nmu(USArrests[1:9, ]), lengths = "entry"), "lengths")
  expect_refused(as_newick(1), "x")
  one <- factor_tree(nmu_em(diag(3), 1, 0.1, symmetric = TRUE))
  expect_s3_class(one, "nmu_tree")
  expect_snapshot(factor_tree(nested_fit, lengths = "entry"))
})
