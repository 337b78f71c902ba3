# Correlations of gene expression

# Correlations of 38 leukaemia samples of three kinds over 3,051 genes (Golub and others 1999), from
# the Bioconductor package multtest; NULL if it is not installed
read_golub <- function() {
  if (!has_package("multtest")) {
    return(NULL)
  }
  data <- new.env()
  utils::data("golub", package = "multtest", envir = data)
  unname(stats::cor(data$golub))
}
