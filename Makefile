# Every target is fast if its result is up to date. `make` without a target lists them.
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(PATH):$(CARGO_BIN)

MANIFEST := src/rust/Cargo.toml
# Tests, lints and checks use a separate library, so that your installed nmu is not changed.
TEST_LIB := $(CURDIR)/.lib
# R CMD check builds the package in another folder, which shares cargo's artefacts with this one.
TARGET_DIR := $(CURDIR)/src/rust/target

.PHONY: help setup install demo build test lint document check dist bench sparse disk gram recovery site clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install missing requirements to run, test and check nmu (Debian, Ubuntu)
	@tools/setup.sh test

install: ## build nmu and install it into your R library
	@tools/setup.sh run
	@tools/install.sh

demo: install ## install nmu and its requirements, then fit and plot two matrices
	@Rscript tools/demo.R

build: ## build nmu and install it into .lib, the library that the tests use
	@tools/setup.sh test
	@tools/install.sh "$(TEST_LIB)"

test: ## run all tests: Rust, R, and whether generated files are up to date
	@tools/setup.sh test
	cargo test --manifest-path $(MANIFEST) --locked --release --workspace $$(tools/features.sh)
	@tools/install.sh "$(TEST_LIB)"
	@R_LIBS="$(TEST_LIB)" Rscript tools/test.R
	@Rscript tools/wrappers.R --check
	@Rscript tools/document.R --check

lint: ## run rustfmt, clippy, rustdoc and lintr, failing on any finding
	@tools/setup.sh test
	for manifest in $(MANIFEST) bench/Cargo.toml; do \
	  cargo fmt --manifest-path $$manifest --all --check && \
	  cargo clippy --manifest-path $$manifest --release --locked --workspace --all-targets \
	    --target-dir $(dir $(MANIFEST))target $$(tools/features.sh) -- -D warnings || exit 1; \
	done
	RUSTDOCFLAGS="-D warnings" cargo doc --manifest-path $(MANIFEST) --release --locked --no-deps \
	  --workspace --document-private-items $$(tools/features.sh)
	Rscript tools/lint.R

document: ## regenerate NAMESPACE, man/ and R/extendr-wrappers.R
	@tools/setup.sh test
	@Rscript tools/document.R
	@tools/install.sh "$(TEST_LIB)"
	@Rscript tools/wrappers.R

check: ## run R CMD build and R CMD check, failing on an error or a warning
	@tools/setup.sh test
	NMU_TARGET_DIR="$(TARGET_DIR)" tools/check.sh

dist: ## build the release tarball of the last commit, with the sources of all crates
	@tools/setup.sh test
	@tools/dist.sh
	@tools/offline.sh nmu_*.tar.gz

bench: ## time nmu against plain R and other programs; ARGS=--quick for a trial
sparse: ## time fits of large sparse matrices; ARGS=--quick for a trial
disk: ## fit a matrix on disk in little memory; ARGS=--quick for few iterations
gram: ## time fits of covariances that are not formed; ARGS=--quick for a trial
recovery: ## score the recovery of known structure; ARGS=--quick for a trial
bench sparse disk gram recovery:
	@tools/setup.sh bench
	@tools/install.sh "$(TEST_LIB)"
	R_LIBS="$(TEST_LIB)" Rscript bench/$(patsubst bench,compare,$@).R $(ARGS)

site: ## build the web site of help and vignettes in docs/
	@tools/setup.sh site
	@tools/install.sh "$(TEST_LIB)"
	R_LIBS="$(TEST_LIB)" Rscript tools/site.R

clean: ## remove build results
	rm -rf .lib demo-output docs src/Makevars src/*.o src/*.so src/vendor src/.cargo src/rust/target \
	  bench/target bench/results
