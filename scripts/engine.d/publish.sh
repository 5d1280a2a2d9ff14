# shellcheck shell=bash
# Where the stand-ins go: under their usual names into the registry, which every engine asks before docker.io, and the
# base image into both dockerds too.

PUBLIC_REGISTRY="${WHEELWRIGHT_PUBLIC_REGISTRY:-https://registry-1.docker.io}"

ensure_base_image() {
    stand_in_needed python || return 0
    make_archive python "$BASE_IMAGE" "$BASE_PACKAGES"
    make_foreign_archive python-foreign "$BASE_IMAGE" "$BASE_PACKAGES"
    publish python "$BASE_IMAGE,${COMPILER_IMAGE#*:}" python-foreign
    local docker
    for docker in containerd-store graph-driver; do load "$docker" python "$BASE_IMAGE"; done
}

ensure_build_image() {
    stand_in_needed rust || return 0
    make_archive rust "$BUILD_IMAGE" "$BUILD_PACKAGES"
    publish rust "$BUILD_IMAGE"
}

# stand_in_needed NAME: once made, a stand-in stays in use, so that an engine does not change its base with the weather.
stand_in_needed() { [ -e "$CACHE/$1.tar" ] || ! public_registry_answers; }

# 401 is how a registry greets those who have not logged in; what stands in the way of one answers otherwise.
public_registry_answers() {
    python3 - "$PUBLIC_REGISTRY/v2/" <<'PYTHON'
import sys, urllib.error, urllib.request
try:
    status = urllib.request.urlopen(sys.argv[1], timeout=5).status
except urllib.error.HTTPError as error:
    status = error.code
except OSError:
    status = 0
sys.exit(status not in (200, 401))
PYTHON
}

# publish NAME IMAGE[,TAG…] [FOREIGN]: into the registry, where every engine looks first for images of docker.io.
publish() {
    local name="$1" image="$2" archives=("$CACHE/$1.tar")
    [ -z "${3:-}" ] || archives+=("$CACHE/$3.tar")
    [ "$(cat "$DATA/registry/$name.recipe" 2>/dev/null)" = "$(cat "$CACHE/$name.recipe")" ] && return
    quietly "push-$name" python3 "$PARTS/push-image.py" "$REGISTRY" "library/${image%%:*}" "${image#*:}" "${archives[@]}"
    cp "$CACHE/$name.recipe" "$DATA/registry/$name.recipe"
}

# load DAEMON NAME IMAGE
load() {
    local daemon="$1" name="$2" image="$3"
    [ "$(cat "$DATA/$daemon/$name.recipe" 2>/dev/null)" = "$(cat "$CACHE/$name.recipe")" ] &&
        docker_on "$daemon" image inspect "$image" >/dev/null 2>&1 && return
    say "loading $image into $daemon"
    quietly "load-$daemon" docker_on "$daemon" load --input "$CACHE/$name.tar"
    cp "$CACHE/$name.recipe" "$DATA/$daemon/$name.recipe"
}

# docker_on DAEMON ARGUMENT…
docker_on() {
    local daemon="$1"
    shift
    DOCKER_CONFIG="$STATE/docker" DOCKER_HOST="unix://$RUN/$daemon.sock" "$BIN/docker" "$@"
}
