# The commands of a working day. `make` alone lists them; docs/engines.md explains the engines.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
ENGINE := scripts/engine
TARGET := $(or $(CARGO_TARGET_DIR),target)
# shellcheck and cargo-deny are run where they are installed; the engines bring a shellcheck along.
export PATH := $(PATH):$(CURDIR)/.engine/cache/bin:$(CURDIR)/.engine/cache/cargo/bin
SCRIPTS := scripts/engine .ci/run bench/wheels

.NOTPARALLEL:
.PHONY: help engine engine-down frontend build demo test check advisories unit exact e2e e2e-slow bench

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
	    printf '  make %-12s %s\n' "$$name" "$$text"; done

engine: ## bring up buildkitd, two dockerds and a registry; then: . .engine/env
	@$(ENGINE) up

engine-down: ## end exactly what `make engine` started
	@$(ENGINE) down

frontend: ## rebuild the frontend image after a change of the sources
	@$(ENGINE) frontend

# unwheel is static, as it runs inside of builds; against musl it is half as large as against glibc.
build: ## build the command and, beside it, unwheel: target/release
	cargo build --locked --release --package wheelwright
	@libc=musl; [ -d "$$(rustc --print sysroot)/lib/rustlib/$$(uname -m)-unknown-linux-musl" ] || libc=gnu; \
	target="$$(uname -m)-unknown-linux-$$libc"; \
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --package unwheel --target "$$target"; \
	install "$(TARGET)/$$target/release/unwheel" "$(TARGET)/release/unwheel"

demo: engine ## build the six services of examples/voice, run two, show three rebuilds
	scripts/demo

test: check unit exact e2e ## everything: formatting, lints, unit tests, trees against uv and pip, builds on real engines

check: ## formatting, lints, documentation, licences, scripts
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --package wheelwright --no-default-features --lib --bins -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check bans licenses sources; \
	    else echo "check: cargo-deny is not installed, licences and banned crates were not checked"; fi
	@if command -v shellcheck >/dev/null; then shellcheck -x -a $(SCRIPTS); \
	    else echo "check: shellcheck is not installed, scripts were not checked"; fi

advisories: ## known vulnerabilities of dependencies; needs cargo-deny and GitHub
	cargo deny --locked check advisories

unit: ## all tests that need no engine
	env -u CI -u WHEELWRIGHT_E2E -u BUILDKIT_HOST -u DOCKER_HOST cargo test --locked --workspace

exact: ## installed trees and layers against uv, pip and (with Go) the stargz snapshotter's library; needs the package index
	WHEELWRIGHT_NETWORK=1 cargo test --locked --package unwheel --features zstd --test exactness
	@if command -v go >/dev/null; then \
	    WHEELWRIGHT_NETWORK=1 cargo test --locked --package unwheel --features zstd --test layers; \
	    else echo "exact: go is not installed, layers were not checked with the snapshotter's library"; fi

e2e: engine ## builds on real engines, checked by what the containers answer
	. .engine/env && WHEELWRIGHT_E2E=1 cargo test --locked --package wheelwright --test e2e -- --test-threads=1

e2e-slow: engine ## what compiles for minutes: numpy and scipy against OpenBLAS
	. .engine/env && WHEELWRIGHT_E2E=1 WHEELWRIGHT_E2E_SLOW=1 cargo test --locked --package wheelwright --test e2e sources -- --test-threads=1

bench: engine ## the comparison with Dockerfiles; results in bench/results
	. .engine/env && bench/run
