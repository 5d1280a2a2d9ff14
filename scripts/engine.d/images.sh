# shellcheck shell=bash
# Archives of stand-ins for the public images that are needed here: the Python base image, and the image that the
# frontend is built in. What changes this file makes them anew.

BASE_IMAGE=python:3.11-slim
# The same under the name of the image that compiles bytecode.
COMPILER_IMAGE=python:3.11.10-slim
# `pip` and its company are in the public image too.
BASE_PACKAGES="python3 python3-venv python3-pip python3-setuptools python3-wheel"
BUILD_IMAGE=rust:1.95-slim-bookworm
BUILD_PACKAGES="gcc libc6-dev"
RUST_VERSION=1.95

# make_archive NAME IMAGE PACKAGES: $CACHE/NAME.tar, made again when what makes it changes.
make_archive() {
    local name="$1" image="$2" packages="$3" recipe
    recipe="$(cat "$PARTS/rootfs.sh" "$PARTS/foreign.sh" "$PARTS/images.sh" "$PARTS/pack-image.py" /etc/ssl/certs/ca-certificates.crt |
        sha256sum | cut -d' ' -f1)"
    [ -e "$CACHE/$name.tar" ] && [ "$(cat "$CACHE/$name.recipe" 2>/dev/null)" = "$recipe" ] && return
    say "making a stand-in for $image from Debian packages"
    # shellcheck disable=SC2086 # a list of words
    quietly "image-$name" make_rootfs "$name" $packages
    "furnish_$name" "$CACHE/$name.rootfs"
    quietly "image-$name-pack" "pack_$name"
    rm -rf "$CACHE/$name.rootfs"
    printf '%s' "$recipe" >"$CACHE/$name.recipe"
}

# The public image has `python` and `pip` first on PATH and lets pip install into the system.
furnish_python() {
    local root="$1"
    ln -s /usr/bin/python3.11 "$root/usr/local/bin/python3.11"
    ln -s python3.11 "$root/usr/local/bin/python3"
    ln -s python3.11 "$root/usr/local/bin/python"
    rm -f "$root/usr/lib/python3.11/EXTERNALLY-MANAGED"
    clamp_times "$root"
}

pack_python() {
    local version
    version="$(in_rootfs "$CACHE/python.rootfs" python3 -c 'import platform; print(platform.python_version())')"
    pack python "$BASE_IMAGE" --command python3 --env LANG=C.UTF-8 --env "PYTHON_VERSION=$version"
}

# The toolchain that the checkout itself uses, without rustup, its documentation and what is only for developers.
furnish_rust() {
    local root="$1" sysroot target musl
    sysroot="$(cd "$ROOT" && rustc --print sysroot)"
    target="$(rustc --version --verbose | sed -n 's/^host: //p')"
    "$sysroot/bin/rustc" --version | grep -qF "rustc $RUST_VERSION." ||
        die "\`$sysroot\` is not Rust $RUST_VERSION" "install it with \`rustup toolchain install $RUST_VERSION\`"
    # The target that `unwheel` is built for. frontend.Dockerfile does without where it cannot be had.
    musl="${target%-gnu}-musl"
    [ -d "$sysroot/lib/rustlib/$musl" ] || (cd "$ROOT" && rustup target add "$musl") >/dev/null 2>&1 || true
    mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/rustlib"
    cp "$sysroot/bin/rustc" "$sysroot/bin/cargo" "$root/usr/local/bin/"
    cp -L "$sysroot"/lib/lib*.so* "$root/usr/local/lib/"
    cp -R "$sysroot/lib/rustlib/$target" "$root/usr/local/lib/rustlib/"
    if [ -d "$sysroot/lib/rustlib/$musl" ]; then cp -R "$sysroot/lib/rustlib/$musl" "$root/usr/local/lib/rustlib/"; fi
    clamp_times "$root"
}

# Most of its bytes are read once on this machine: fast beats small.
pack_rust() {
    pack rust "$BUILD_IMAGE" --command bash --level 1 --env CARGO_HOME=/usr/local/cargo --env "RUST_VERSION=$RUST_VERSION"
}

# pack NAME IMAGE ARGUMENT…
pack() {
    local name="$1" image="$2"
    shift 2
    python3 "$PARTS/pack-image.py" --rootfs "$CACHE/$name.rootfs" --output "$CACHE/$name.tar" \
        --tag "docker.io/library/$image" --architecture "$(architecture)" \
        --created "$(date -u -d "@$(rootfs_epoch)" +%FT%TZ)" \
        --env PATH=/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

architecture() { dpkg --print-architecture; }
