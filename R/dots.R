# Arguments that a function does not have: each is an error that names the right one, where a slip
# is likely. Dots exist only because generics have them, or to answer such slips.

#' Refuse arguments in the dots of a function
#'
#' @param ... The dots of that function. They are not evaluated.
#' @param known Names of its arguments, among which a misspelt one is looked for.
#' @param slips Named list: hints for names that are not among its arguments.
#' @param permitted Names that may be in the dots.
#' @return `NULL`, invisibly.
#' @noRd
refuse_dots <- function(..., known = formals_of(frame), slips = list(), permitted = character(),
                        frame = caller_env(), call = frame) {
  if (...length() == 0) {
    return(invisible())
  }
  labels <- ...names() %||% rep("", ...length())
  bad <- !(labels %in% permitted) | labels == ""
  if (any(bad)) {
    abort_dots(labels[bad][1], permitted, known, slips, call = call)
  }
}

#' Raise the error about an argument in the dots of a function
#'
#' @param label Its name, empty if it has none. A name that is permitted was given twice.
#' @inheritParams refuse_dots
#' @noRd
abort_dots <- function(label, permitted, known, slips, call = caller_env()) {
  found <- if (label == "") {
    "an argument without a name"
  } else if (label %in% permitted) {
    sprintf("%s twice", quote_text(label))
  } else {
    sprintf("an unknown argument, %s", quote_text(label))
  }
  expected <- if (length(permitted) > 0) {
    paste("named arguments among", paste(permitted, collapse = ", "))
  } else {
    "empty"
  }
  hint <- if (!label %in% permitted) argument_hint(label, c(known, permitted), slips)
  abort_input("...", expected, found, hint = hint, call = call)
}

#' Names of the arguments of the function of a frame, without dots
#' @param frame An environment.
#' @return Strings.
#' @noRd
formals_of <- function(frame) {
  setdiff(names(formals(rlang::frame_fn(frame))), "...")
}

#' Find what the user may have meant
#'
#' @param label The name given.
#' @param known Names of arguments.
#' @param slips Named list of hints, sentences; names in lower case, without dots and underscores.
#' @return One sentence, or `NULL`.
#' @noRd
argument_hint <- function(label, known, slips = list()) {
  plain <- function(x) gsub("[._]", "", tolower(x))
  same <- known[plain(known) == plain(label)]
  if (label == "") {
    return(NULL)
  }
  if (length(same) == 0 && !is.null(slips[[plain(label)]])) {
    return(slips[[plain(label)]])
  }
  # at most a quarter of the letters may differ
  distance <- utils::adist(plain(label), plain(known))[1, ]
  near <- known[distance == min(distance, Inf) & distance <= pmax(nchar(known), nchar(label)) / 4]
  meant <- c(same, near)
  if (length(meant) > 0) sprintf("Did you mean %s?", meant[1])
}

#' Give several slips the same hint
#' @param names The slips.
#' @param hint A sentence.
#' @return A named list.
#' @noRd
hints <- function(names, hint) {
  stats::setNames(rep(list(hint), length(names)), names)
}

#' Hints for arguments that would seed random numbers
#' @param hint A sentence.
#' @return A named list.
#' @noRd
seed_slips <- function(hint) {
  hints(c("seed", "rng", "setseed", "randomseed", "randomstate"), hint)
}

#' Hints for settings that are arguments of nmu_control() or of an estimator of the noise
#'
#' @param skip Names of arguments that the function has itself.
#' @return A named list of sentences.
#' @noRd
setting_slips <- function(skip = character()) {
  synonyms <- list(
    tol = c("tolerance", "eps", "epsilon", "reltol", "abstol", "thresh", "threshold"),
    maxiter = c(
      "maxit", "maxiters", "maxiterations", "iter", "iters", "niter", "itermax", "iterations",
      "nepochs"
    ),
    K_max = c("maxk", "kmaximum", "rankmax", "maxrank"),
    threads = c("nthreads", "numthreads", "ncores", "cores", "ncpus", "cpus", "nproc"),
    verbose = c("progress", "quiet", "silent", "messages"),
    BPPARAM = "workers",
    starts = c("nstart", "nstarts", "nrun", "nruns", "restarts", "ninit", "ninits", "numstarts")
  )
  setting <- function(name) {
    given <- if (name %in% skip) name else sprintf("control = nmu_control(%s = )", name)
    hints(c(gsub("_", "", tolower(name)), synonyms[[name]]), sprintf("Use %s.", given))
  }
  c(
    unlist(lapply(setdiff(names(formals(nmu_control)), "..."), setting), recursive = FALSE),
    seed_slips(
      "No random number is drawn: the same call gives the same fit, so there is nothing to seed."
    ),
    hints(c("data", "x", "y", "m", "mat", "matrix"), "The matrix is the argument A."),
    hints(c("start", "inits", "initial", "u0", "w0"), "Use init.")
  )
}

#' Hints for arguments that nmu() does not have
#' @inheritParams setting_slips
#' @return A named list of sentences.
#' @noRd
nmu_slips <- function(skip = character()) {
  estimator <- c("floor", "cap", "ratio_floors", "by", "se")
  c(
    hints(
      c(
        "rank", "r", "ncomp", "ncomponents", "components", "nfactors", "nfactor", "factors",
        "numfactors", "npc", "npcs", "nf"
      ),
      "The number of factors is the argument K."
    ),
    hints(c("lambda", "sigma"), "Use noise = noise_fixed(lambda = , sigma = )."),
    stats::setNames(
      as.list(sprintf("Use noise = noise_mle(%s = ).", estimator)), gsub("_", "", estimator)
    ),
    hints(c("priorb", "priorremainder", "remainder"), "Use prior_b."),
    hints(c("refit", "backfit"), "Use refine."),
    hints(c("diag", "diagonal"), "Use ignore_diag."),
    hints(
      c("keepb", "trace"),
      "nmu() always records its trace, and posterior_b() computes the remainder b of a fit."
    ),
    setting_slips(skip = skip)
  )
}

#' Hints for arguments that nmu_cv() does not have
#' @return A named list of sentences.
#' @noRd
cv_slips <- function() {
  c(
    seed_slips("The folds are drawn at random: call set.seed() before nmu_cv()."),
    hints(c("nfold", "nfolds", "kfold", "kfolds", "cv"), "Use folds."),
    hints(c("kmax", "maxk", "ks"), "The numbers of factors to compare are the argument K."),
    nmu_slips(skip = "BPPARAM")
  )
}

#' Hints for arguments that nmu_em() and nmu_em_estlambda() do not have
#' @return A named list of sentences.
#' @noRd
em_slips <- function() {
  c(
    hints(
      c("k", "rank", "r", "ncomp", "ncomponents", "nfactors", "nfactor", "factors"),
      "This function fits one factor: several are fitted by nmu(A, K = )."
    ),
    hints(
      c("prior", "priorv", "priorb", "noise", "ignorediag", "refine", "underapprox", "fixed"),
      "Only nmu() has it."
    ),
    hints(
      c("starts", "nstart", "nstarts", "nrun", "nruns", "restarts"),
      "No random number is drawn: the same call gives the same fit. Other starts: init."
    ),
    setting_slips(skip = c("tol", "maxiter"))
  )
}
