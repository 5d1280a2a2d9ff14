# The frontend image: `wheelwright` as BuildKit frontend, and `unwheel`, which the steps of its graphs run.
# Both are static, so the image holds two files and nothing else. Build with the repository as context.

FROM rust:1.95-slim-bookworm AS build
ARG TARGETARCH
WORKDIR /src
# The linker is the only thing needed from outside; every crate is Rust or compiled by the same gcc.
COPY . .
# An explicit --target keeps crt-static away from proc macros, which cannot be static. `unwheel` is built against musl,
# which makes it half as large as static glibc does at the same speed; without that target glibc has to do.
RUN --mount=type=cache,id=wheelwright-cargo,target=/usr/local/cargo/registry \
    --mount=type=cache,id=wheelwright-target-$TARGETARCH,target=/target \
    case "$TARGETARCH" in \
      amd64) machine=x86_64 ;; \
      arm64) machine=aarch64 ;; \
      *) echo "no target for architecture $TARGETARCH" >&2; exit 1 ;; \
    esac \
 && gnu=$machine-unknown-linux-gnu musl=$machine-unknown-linux-musl \
 && if command -v rustup >/dev/null; then rustup target add "$musl"; fi \
 && if [ -d "$(rustc --print sysroot)/lib/rustlib/$musl" ]; then small=$musl; else small=$gnu; fi \
 && export RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR=/target \
 && cargo build --locked --release --target "$gnu" --no-default-features --package wheelwright --bin wheelwright \
 && cargo build --locked --release --target "$small" --package unwheel --bin unwheel \
 && mkdir /out && cp "/target/$gnu/release/wheelwright" "/target/$small/release/unwheel" /out/

FROM scratch
ARG VERSION=dev
ARG REVISION=
LABEL moby.buildkit.frontend.network.none="true" \
      moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring" \
      org.opencontainers.image.title="wheelwright" \
      org.opencontainers.image.description="A native BuildKit frontend for Python services: one wheel, one layer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/ /
ENTRYPOINT ["/wheelwright", "frontend"]
