# shellcheck shell=bash
# The programs: Docker, containerd, runc and a registry out of Debian's packages, BuildKit built from source.
# All of it is unpacked into a private prefix; nothing is installed on the machine.

BUILDKIT_VERSION=v0.32.2
# Debian 12 ships Docker 20.10; the next release's binaries need nothing newer than glibc 2.34 either. runc does, so
# that one comes from Debian 12.
DOCKER_SUITE=forky
DOCKER_PACKAGES="docker.io docker-cli docker-buildx containerd docker-registry tini-static"
HOST_SUITE=bookworm
HOST_PACKAGES="runc shellcheck
    iptables libip4tc2 libip6tc2 libxtables12 libnftnl11 libnfnetlink0 libnetfilter-conntrack3
    iproute2 libmnl0 libbpf1 libelf1 libbsd0 libmd0 libcap2 libtirpc3 libdb5.3"
# The archive that this machine itself installs from: the first of its sources that ends in /debian.
own_mirror() {
    local one_line='s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        sed -n -e 's/^URIs: *\([^ ]*\).*/\1/p' -e "$one_line" | sed 's|/*$||' | grep -m 1 '/debian$' || true
}
MIRROR="${WHEELWRIGHT_DEBIAN_MIRROR:-$(own_mirror)}"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

PREFIX="$CACHE/tools"
# The programs callers see, one directory for PATH.
BIN="$CACHE/bin"

ensure_tools() {
    mkdir -p "$BIN"
    ensure_packages
    ensure_buildkit
    ensure_docker_config
}

ensure_packages() {
    local want="$DOCKER_SUITE $DOCKER_PACKAGES $HOST_SUITE $HOST_PACKAGES"
    [ "$(cat "$PREFIX/stamp" 2>/dev/null)" = "$want" ] && return
    command -v apt-get >/dev/null || die "\`apt-get\` was not found" "the engines' programs are taken from Debian packages"
    [ -n "$MIRROR" ] || die "this machine's apt names no Debian archive" "set WHEELWRIGHT_DEBIAN_MIRROR to one"
    say "fetching docker, containerd, runc and a registry"
    rm -rf "$PREFIX"
    mkdir -p "$PREFIX/debs"
    quietly apt fetch_packages
    unpack_packages
    printf '%s' "$want" >"$PREFIX/stamp"
}

fetch_packages() {
    local package
    private_apt "$CACHE/apt-tools" "$DOCKER_SUITE" "$HOST_SUITE"
    apt_in "$CACHE/apt-tools" update
    local wanted=()
    for package in $DOCKER_PACKAGES; do wanted+=("$package/$DOCKER_SUITE"); done
    for package in $HOST_PACKAGES; do wanted+=("$package/$HOST_SUITE"); done
    (cd "$PREFIX/debs" && apt_in "$CACHE/apt-tools" download "${wanted[@]}")
}

unpack_packages() {
    local deb program
    for deb in "$PREFIX"/debs/*.deb; do dpkg -x "$deb" "$PREFIX"; done
    rm -rf "$PREFIX/debs"
    for program in bin/docker bin/docker-registry bin/containerd bin/containerd-shim-runc-v2 bin/ctr bin/shellcheck \
        sbin/dockerd sbin/docker-proxy sbin/runc; do
        ln -sfn "$PREFIX/usr/$program" "$BIN/${program##*/}"
    done
    ln -sfn "$PREFIX/usr/bin/tini-static" "$BIN/docker-init"
}

# with_libraries PROGRAM ARGUMENT…: for programs out of the prefix that need more libraries than every Debian has.
with_libraries() {
    local machine
    machine="$(uname -m)-linux-gnu"
    LD_LIBRARY_PATH="$PREFIX/usr/lib/$machine:$PREFIX/lib/$machine" XTABLES_LIBDIR="$PREFIX/usr/lib/$machine/xtables" "$@"
}

# private_apt DIR SUITE…: an apt that knows these suites alone and leaves the machine's own lists as they are.
private_apt() {
    local dir="$1" suite
    shift
    [ -e "$KEYRING" ] || die "\`$KEYRING\` was not found" "install debian-archive-keyring"
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    : >"$dir/status"
    for suite in "$@"; do
        echo "deb [signed-by=$KEYRING] $(mirror_of "$suite") $suite main"
    done >"$dir/sources.list"
}

mirror_of() {
    case "$1" in *-security) echo "$MIRROR-security" ;; *) echo "$MIRROR" ;; esac
}

# apt_in DIR ARGUMENT…
apt_in() {
    local dir="$1"
    shift
    apt-get -q -o Dir::State::Lists="$dir/lists" -o Dir::State::Status="$dir/status" -o Dir::Cache="$dir" \
        -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

ensure_buildkit() {
    [ "$(cat "$BIN/buildkit.stamp" 2>/dev/null)" = "$BUILDKIT_VERSION" ] && return
    command -v go >/dev/null || die "\`go\` was not found" "BuildKit $BUILDKIT_VERSION is built from source with Go 1.26 or newer"
    say "building buildkitd and buildctl $BUILDKIT_VERSION (two to three minutes)"
    quietly buildkit build_buildkit
    printf '%s' "$BUILDKIT_VERSION" >"$BIN/buildkit.stamp"
}

# Not `go install …@version`: BuildKit's go.mod has exclude directives, which that form refuses.
build_buildkit() {
    local module=github.com/moby/buildkit source
    source="$(cd / && go mod download -json "$module@$BUILDKIT_VERSION" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')"
    CGO_ENABLED=0 go -C "$source" build -trimpath -buildvcs=false \
        -ldflags "-s -w -X $module/version.Version=$BUILDKIT_VERSION" \
        -o "$BIN/" ./cmd/buildkitd ./cmd/buildctl
}

# A Docker configuration of our own: buildx as plugin, no credentials of the person who runs this.
ensure_docker_config() {
    mkdir -p "$STATE/docker/cli-plugins"
    ln -sfn "$PREFIX/usr/libexec/docker/cli-plugins/docker-buildx" "$STATE/docker/cli-plugins/docker-buildx"
    [ -e "$STATE/docker/config.json" ] || echo '{}' >"$STATE/docker/config.json"
}
