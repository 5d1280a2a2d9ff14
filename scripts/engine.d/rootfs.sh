# shellcheck shell=bash
# Root file systems out of Debian packages, for machines that cannot reach an image registry.

ROOTFS_SUITE=bookworm
# What Debian's own container images contain beyond the essential packages.
ROOTFS_PACKAGES="apt base-files ca-certificates debian-archive-keyring tzdata"

# make_rootfs NAME PACKAGE…: builds $CACHE/NAME.rootfs, or leaves nothing there.
make_rootfs() {
    local root="$CACHE/$1.rootfs"
    shift
    rm -rf "$root"
    download_packages "$@"
    extract_essential "$root"
    configure_packages "$root"
    finish_rootfs "$root"
}

# clamp_times ROOT: whatever is newer than the packages was written here and takes their time.
clamp_times() {
    local epoch
    epoch="$(rootfs_epoch)"
    find "$1" -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
}

# When the newest of the suites was published: the time of the image, so that the same packages make the same bytes.
rootfs_epoch() {
    local release newest=0 seconds
    for release in "$CACHE"/apt-rootfs/lists/*InRelease; do
        seconds="$(date -u -d "$(sed -n 's/^Date: //p' "$release")" +%s)"
        [ "$seconds" -le "$newest" ] || newest="$seconds"
    done
    echo "$newest"
}

# Both lists of packages, essential ones first: `$CACHE/apt-rootfs/{essential,others}`.
download_packages() {
    local apt="$CACHE/apt-rootfs"
    rm -rf "$apt"
    private_apt "$apt" "$ROOTFS_SUITE" "$ROOTFS_SUITE-updates" "$ROOTFS_SUITE-security"
    apt_in "$apt" update
    # shellcheck disable=SC2086 # a list of words
    set -- $ROOTFS_PACKAGES "$@"
    download_into "$apt/essential" '?essential'
    download_into "$apt/others" "$@"
}

# The status file is empty, so apt's answer is the whole closure.
download_into() {
    local dir="$1"
    shift
    mkdir -p "$dir/partial"
    apt_in "$CACHE/apt-rootfs" -o Dir::Cache::Archives="$dir" install -y --no-install-recommends --download-only "$@"
}

extract_essential() {
    local root="$1" deb
    merge_usr "$root"
    for deb in "$CACHE"/apt-rootfs/essential/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
    done
    : >"$root/var/lib/dpkg/status"
    mkdir -p "$root/var/lib/dpkg/info" "$root/dev"
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/urandom" c 1 9
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

# Debian 12 expects the merged /usr to be there before its first package is.
merge_usr() {
    local directory
    for directory in bin sbin lib lib64; do
        mkdir -p "$1/usr/$directory"
        ln -s "usr/$directory" "$1/$directory"
    done
}

# The package scripts run in the new root with a clean environment. Nothing is mounted in it that could stay behind:
# the packages arrive by hard link or copy.
configure_packages() {
    local root="$1"
    mkdir -p "$root/packages/essential" "$root/packages/others"
    cp -l "$CACHE"/apt-rootfs/essential/*.deb "$root/packages/essential/"
    cp -l "$CACHE"/apt-rootfs/others/*.deb "$root/packages/others/"
    # shellcheck disable=SC2016 # for the shell in there
    in_rootfs "$root" sh -ec '
        cd /packages
        ln -sf mawk /usr/bin/awk
        dpkg --install --force-depends essential/base-passwd_*.deb
        dpkg --install --force-depends essential/base-files_*.deb
        dpkg --install --force-depends essential/*.deb
        # Not those again: a second run would only be slow.
        for deb in essential/*.deb; do rm -f "others/${deb##*/}"; done
        dpkg --unpack --force-depends others/*.deb
        dpkg --configure --pending'
    rm -rf "$root/packages"
}

in_rootfs() {
    local root="$1"
    shift
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        SOURCE_DATE_EPOCH="$(rootfs_epoch)" chroot "$root" "$@"
}

# As Debian's container images: no caches, no logs, apt that keeps nothing, this machine's certificates.
finish_rootfs() {
    local root="$1"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $MIRROR
Suites: $ROOTFS_SUITE $ROOTFS_SUITE-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: $MIRROR-security
Suites: $ROOTFS_SUITE-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    cat >"$root/etc/apt/apt.conf.d/docker-clean" <<'CONF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
    echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/docker-no-languages"
    rm -rf "${root:?}"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/debconf/*-old \
        "$root"/var/cache/ldconfig/aux-cache "$root"/var/lib/dpkg/*-old "$root"/etc/machine-id "${root:?}"/dev/*
    find "$root/var/log" -type f -delete
    find "$root/usr/share/doc" "$root/usr/share/man" -mindepth 1 ! -name copyright -type f -delete
}
