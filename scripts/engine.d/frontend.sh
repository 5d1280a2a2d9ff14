# shellcheck shell=bash
# The frontend image, built from source by buildkitd, pushed to the registry and loaded into both dockerds.

frontend_reference() { echo "$REGISTRY/wheelwright/frontend:dev"; }

# Skipped when neither the sources changed nor the registry was emptied.
ensure_frontend() {
    local sources
    sources="$(frontend_sources)"
    [ "$(cat "$STATE/frontend/sources" 2>/dev/null)" = "$sources" ] && frontend_is_there && return
    ensure_build_image
    say "building the frontend image"
    rm -rf "$STATE/frontend"
    mkdir -p "$STATE/frontend"
    quietly frontend build_frontend
    load_frontend
    printf '%s' "$sources" >"$STATE/frontend/sources"
}

# One hash over names and contents of all that .dockerignore lets through, and of the recipe.
frontend_sources() {
    (
        cd "$ROOT" || exit
        find Cargo.toml Cargo.lock src proto llb unwheel frontend.Dockerfile .dockerignore -type f -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
    ) | sha256sum | cut -d' ' -f1
}

frontend_is_there() {
    local daemon
    for daemon in containerd-store graph-driver; do
        docker_on "$daemon" image inspect "$(frontend_reference)" >/dev/null 2>&1 || return 1
    done
    [ -x "$STATE/frontend/unwheel" ]
}

# Three exports of one build: for the registry, for the dockerds, and the files themselves. Times are fixed, so that
# equal binaries are an equal image.
build_frontend() {
    local reference
    reference="$(frontend_reference)"
    "$BIN/buildctl" --addr "unix://$RUN/buildkitd.sock" build --progress plain \
        --frontend dockerfile.v0 --opt filename=frontend.Dockerfile --opt build-arg:SOURCE_DATE_EPOCH=0 \
        --local context="$ROOT" --local dockerfile="$ROOT" \
        --output "type=image,name=$reference,push=true,rewrite-timestamp=true,oci-mediatypes=true" \
        --output "type=docker,name=$reference,dest=$STATE/frontend/image.tar,rewrite-timestamp=true,oci-mediatypes=true" \
        --output "type=local,dest=$STATE/frontend"
}

load_frontend() {
    local daemon
    for daemon in containerd-store graph-driver; do
        quietly "load-$daemon" docker_on "$daemon" load --input "$STATE/frontend/image.tar"
    done
    rm -f "$STATE/frontend/image.tar"
}
