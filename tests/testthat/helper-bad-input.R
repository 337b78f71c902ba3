# Invalid input as a table: values that few arguments accept, and which argument accepts which.
# test-bad-input.R passes every value to every argument of every exported function, so that new
# functions and arguments are tested as soon as they exist.

bad_values <- function() {
  list(
    null = NULL, na = NA, na_number = NA_real_, na_text = NA_character_, nan = NaN,
    infinite = Inf, minus_infinite = -Inf, empty = numeric(0), two = c(0.5, 0.25),
    negative = -1, zero = 0, half = 0.5, more = 1.5, huge = 1e300, tiny = 1e-300,
    subnormal = 5e-324, true = TRUE, yes_no = c(TRUE, FALSE),
    text = "%s %d %n {stop('evaluated')}", no_text = "", list = list(1), no_list = list(),
    factor = factor("a"), date = as.Date("2026-01-01"), complex = 1i, raw = as.raw(1),
    s4 = methods::getClass("numeric"), a_function = mean, environment = globalenv(),
    formula = y ~ x, symbol = quote(x), expression = expression(x), array = array(1, c(1, 1, 1)),
    text_matrix = matrix("a"), text_frame = data.frame(a = "x"),
    of_a_class = structure(1, class = "z")
  )
}

# Values that arguments of one kind accept, by their names above.
kinds <- c(
  nothing = "",
  flag = "true",
  # an array of one number, such as crossprod() makes, is one number
  count = "array",
  positive = "half more array",
  nonnegative = "zero half more huge tiny subnormal array",
  share = "zero half tiny subnormal array",
  numbers = "two negative zero half more tiny subnormal array true yes_no",
  # as R's distribution functions do
  recycled = "numbers huge na na_number nan infinite minus_infinite empty"
)

# Expands the names of kinds to names of values.
accepted <- function(words) {
  split <- function(words) as.character(unlist(strsplit(as.character(words), " ")))
  words <- split(words)
  # a kind may contain another
  for (step in 1:2) {
    words <- split(ifelse(words %in% names(kinds), kinds[words], words))
  }
  unique(words)
}

# A valid call, and the values above that each argument accepts.
row_of <- function(base, ...) list(base = base, accepts = lapply(list(...), accepted))

calls_that_work <- function() {
  A <- matrix(c(4, 2, 1, 2, 3, 1, 1, 1, 2), 3)
  fit <- suppressMessages(nmu(A, K = 2))
  covariance <- gram(matrix(c(1, 2, 0, 3, 1, 1), 3))
  features <- matrix(c(1, 2, 0, 3, 1, 1), 3)
  cv <- nmu_cv(A, K = 1, folds = 1 + outer(1:3, 1:3, "+") %% 2)
  em <- row_of(
    list(A = A, maxiter = 2),
    A = "nothing", lambda = "positive", sigma = "positive", maxiter = "count", ... = "nothing",
    tol = "nonnegative", init = "null", symmetric = "null flag", keep_b = "flag", trace = "flag",
    control = "nothing"
  )
  distribution <- list(lambda = "recycled", sigma = "recycled", lower.tail = "flag", log.p = "flag")
  list(
    as_newick = row_of(list(x = fit), x = "nothing"),
    as_nmf = row_of(list(fit = fit), fit = "nothing"),
    as_svd = row_of(list(fit = fit), fit = "nothing"),
    check_prior = row_of(
      list(prior = prior_exponential(), x = 1:3),
      prior = "nothing", x = "null numbers", s = "null positive true", tolerance = "positive",
      error = "flag"
    ),
    demg = row_of(
      list(x = 0.5),
      x = "recycled", lambda = "recycled", sigma = "recycled", log = "flag"
    ),
    factor_tree = row_of(
      list(fit = fit),
      fit = "nothing", side = "nothing", lengths = "nothing", nesting = "half array"
    ),
    feature_scores = row_of(list(fit = fit, X = features), fit = "nothing", X = "nothing"),
    gram = row_of(
      list(X = features), X = "nothing", center = "flag", scale = "flag", rank = "null array true"
    ),
    match_factors = row_of(
      list(fit = fit, truth = fit$u),
      fit = "nothing", truth = "nothing", side = "nothing"
    ),
    nmu = row_of(
      list(A = A),
      A = "nothing", K = "null count", prior = "nothing", noise = "nothing", prior_v = "nothing",
      prior_b = "null", symmetric = "null flag", ignore_diag = "null flag", refine = "flag",
      underapprox = "flag",
      init = "null", fixed = "null", control = "nothing", ... = "nothing"
    ),
    nmu_control = row_of(
      list(),
      tol = "null nonnegative", maxiter = "null count", K_max = "count", starts = "count",
      threads = "count",
      verbose = "flag", keep_data = "flag", interpolation = "nothing", BPPARAM = "null",
      ... = "nothing"
    ),
    nmu_cv = row_of(
      list(A = A, K = 1, folds = 2),
      A = "nothing", K = "count", prior = "nothing", prior_b = "null", folds = "nothing",
      ... = "nothing", BPPARAM = "null", control = "nothing"
    ),
    nmu_em = em,
    nmu_em_estlambda = em,
    noise_fixed = row_of(
      list(lambda = 1, sigma = 1),
      lambda = "positive infinite", sigma = "positive"
    ),
    noise_mle = row_of(
      list(),
      floor = "share", cap = "positive", ratio_floors = "null empty positive", by = "nothing",
      # a number is a vector of length one
      se = "null half more two"
    ),
    noise_moments = row_of(list(), floor = "share", cap = "positive"),
    noise_notebook = row_of(list()),
    normal_means = row_of(
      list(x = c(1, 2), s = 1, prior = prior_exponential()),
      x = "numbers", s = "positive two true", prior = "nothing"
    ),
    pemg = do.call(row_of, c(list(list(q = 0.5), q = "recycled"), distribution)),
    # a row or column by its number, or all but one
    posterior_b = row_of(
      list(fit = fit),
      fit = "nothing", rows = "null array negative", cols = "null array negative",
      draws = "zero array", A = "null"
    ),
    prior_binary = row_of(
      list(),
      weight = "null share", location = "null positive", ratio = "null positive"
    ),
    prior_custom = row_of(
      list(estimate = mean, posterior = mean),
      estimate = "a_function", posterior = "a_function", density = "null a_function",
      g = names(bad_values()), name = "text no_text text_matrix"
    ),
    prior_ebnm = row_of(
      list(ebnm_fn = ebnm_in_r()),
      ebnm_fn = "nothing", g = names(bad_values()), name = "null text no_text text_matrix"
    ),
    prior_exponential = row_of(list(), rate = "null positive"),
    prior_flat = row_of(list()),
    prior_none = row_of(list()),
    prior_mixture = row_of(
      list(scales = c(1, 2)),
      shape = "nothing", scales = "null nonnegative two", weights = "null two"
    ),
    prior_point_exponential = row_of(list(), weight = "null share", rate = "null positive"),
    qemg = do.call(row_of, c(list(list(p = 0.5), p = "recycled"), distribution)),
    # as in rexp(), a longer n stands for its length
    remg = row_of(
      list(n = 2),
      n = "zero two yes_no array", lambda = "recycled", sigma = "recycled"
    ),
    sim_blocks = row_of(list(n = 2), n = "count", noise = "nonnegative"),
    sim_tree = row_of(list(n = 2), n = "nothing", weights = "nothing", noise = "nonnegative"),
    standard_errors = row_of(list(fit = fit), fit = "nothing", A = "null"),
    top_features = row_of(
      list(fit = fit),
      fit = "nothing", k = "null yes_no array negative", n = "count", side = "nothing",
      scale = "nothing"
    ),
    truncnorm_moments = row_of(
      list(mean = 1, sd = 1),
      mean = "numbers huge na na_number nan empty",
      sd = "two half more huge tiny subnormal array true na na_number nan empty"
    ),
    # methods, by the names under which they are registered
    `[.nmu` = row_of(list(x = fit), i = "yes_no array negative"),
    `[.nmu_em` = row_of(list(x = nmu_em(A)), i = "count true"),
    `[.nmu_gram` = row_of(
      list(x = covariance, i = 1, j = 1), i = "array negative", j = "array negative", drop = "flag"
    ),
    augment.nmu_fit = row_of(list(x = fit), data = "null", newdata = "null", ... = "nothing"),
    coef.nmu_fit = row_of(
      list(object = fit), side = "nothing", scale = "nothing", ... = "nothing"
    ),
    glance.nmu_fit = row_of(list(x = nmu_em(A)), A = "null", ... = "nothing"),
    logLik.nmu_em = row_of(list(object = nmu_em(A)), A = "null", ... = "nothing"),
    autoplot.nmu_cv = row_of(list(object = cv), type = "nothing", ... = "nothing"),
    plot.nmu_fit = row_of(
      list(x = fit),
      type = "nothing", factors = "null yes_no array negative",
      # loadings are drawn without A
      A = names(bad_values()), group = "null", style = "nothing", scale = "nothing"
    ),
    plot.nmu_cv = row_of(list(x = cv), type = "nothing"),
    predict.nmu_fit = row_of(
      list(object = fit), newdata = "null", type = "nothing", A = "null", ... = "nothing"
    ),
    residuals.nmu_fit = row_of(
      list(object = fit),
      A = "null", rows = "null array negative", cols = "null array negative", ... = "nothing"
    ),
    simulate.nmu_fit = row_of(
      list(object = fit),
      nsim = "count", seed = "null negative zero array", ... = "nothing"
    ),
    summary.nmu_fit = row_of(list(object = fit), A = "null", ... = "nothing"),
    tidy.nmu_fit = row_of(
      list(x = fit), matrix = "nothing", A = "null", scale = "nothing", ... = "nothing"
    )
  )
}

# Methods of data frames, which accept the same values as those of base R; methods that share the
# checks of plot(); and trees, whose labels may be anything that can be drawn.
unchecked_methods <- c(
  "[.nmu_match", "as.data.frame.nmu_match", "as.data.frame.nmu_fit", "autoplot.nmu_fit",
  "autoplot.nmu_tree", "plot.nmu_tree"
)

# The arguments of a function of the package, without its dots.
arguments_of <- function(name) {
  setdiff(as.character(names(formals(utils::getFromNamespace(name, "nmu")))), "...")
}

# Names of the exported functions and of the methods with more arguments than their generic.
public_functions <- function() {
  methods <- getNamespaceInfo("nmu", "S3methods")[, 3]
  more <- Filter(function(name) length(arguments_of(name)) > 1, methods)
  list(exported = getNamespaceExports("nmu"), methods = setdiff(more, unchecked_methods))
}
