# Single passes over a sparse matrix, relative to Matrix's product with a vector

# Returns a data frame of work, loadings (of all rows, or of a group), and the median time as a
# multiple of that of `A %*% x`. The passes and the product are timed alternately.
time_passes <- function(A, threads, repeats = 5) {
  file <- tempfile("sparse")
  on.exit(unlink(file))
  connection <- file(file, "wb")
  writeBin(as.double(c(nrow(A), length(A@x))), connection)
  for (slot in list(A@p, A@i, A@x)) writeBin(slot, connection)
  close(connection)
  program <- build_program("sparse")
  x <- runif(nrow(A))
  rounds <- lapply(seq_len(repeats), function(round) {
    product <- seconds_per_call(function() A %*% x)
    passes <- read.csv(text = system2(program, c(file, threads), stdout = TRUE))
    cbind(passes, ratio = passes$seconds / product)
  })
  ratios <- vapply(rounds, function(round) round$ratio, rounds[[1]]$ratio)
  cbind(rounds[[1]][c("work", "loadings")], ratio = apply(ratios, 1, stats::median))
}
