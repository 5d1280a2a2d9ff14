# shellcheck shell=bash
# The base image for the other architecture: Debian's packages unpacked, none configured, since nothing of it can run
# here. It is what a build for that platform stands on, which runs nothing either.

# foreign_architecture: the one of Debian's two usual architectures that this machine is not.
foreign_architecture() { if [ "$(architecture)" = amd64 ]; then echo arm64; else echo amd64; fi; }

# make_foreign_rootfs NAME PACKAGE…: $CACHE/NAME.rootfs
make_foreign_rootfs() {
    local name="$1" root="$CACHE/$1.rootfs" apt="$CACHE/apt-$1" deb
    shift
    rm -rf "$root" "$apt"
    private_apt "$apt" "$ROOTFS_SUITE"
    mkdir -p "$apt/debs/partial" "$root"
    foreign_apt "$apt" update
    # shellcheck disable=SC2086 # a list of words
    foreign_apt "$apt" install -y --no-install-recommends --download-only '?essential' $ROOTFS_PACKAGES "$@"
    merge_usr "$root"
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
    done
    # What the packages' scripts would do.
    mkdir -p "$root/usr/local/bin"
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    find "$root/usr/share/doc" "$root/usr/share/man" -mindepth 1 ! -name copyright -type f -delete
}

# foreign_apt DIR ARGUMENT…
foreign_apt() {
    local apt="$1" architecture
    shift
    architecture="$(foreign_architecture)"
    apt_in "$apt" -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o Dir::Cache::Archives="$apt/debs" "$@"
}

# make_foreign_archive NAME IMAGE PACKAGES: $CACHE/NAME.tar, made again when the recipe of the machine's own changes.
make_foreign_archive() {
    local name="$1" image="$2" packages="$3" version
    [ -e "$CACHE/$name.tar" ] && cmp -s "$CACHE/$name.recipe" "$CACHE/python.recipe" && return
    say "making the same for $(foreign_architecture)"
    # shellcheck disable=SC2086 # a list of words
    quietly "image-$name" make_foreign_rootfs "$name" $packages
    furnish_python "$CACHE/$name.rootfs"
    version="$(basename "$CACHE/apt-$name"/debs/python3.11_*.deb | sed 's/^[^_]*_\([0-9.]*\).*/\1/')"
    quietly "image-$name-pack" pack "$name" "$image" --architecture "$(foreign_architecture)" \
        --command python3 --env LANG=C.UTF-8 --env "PYTHON_VERSION=$version"
    rm -rf "$CACHE/$name.rootfs" "$CACHE/apt-$name/debs"
    cp "$CACHE/python.recipe" "$CACHE/$name.recipe"
}
