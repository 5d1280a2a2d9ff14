# Installs system packages with the image's own package manager; downloads stay in cache mounts.
# What package managers log with a time in it is removed, so that equal packages give equal layers.
set -eu
if command -v apt-get >/dev/null 2>&1; then
    apt-get -q update
    apt-get -q -y -c /run/wheelwright/apt.conf install --no-install-recommends -- "$@"
    rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
elif command -v apk >/dev/null 2>&1; then
    apk add --cache-dir /var/cache/apk "$@"
else
    echo "no package manager in the image: looked for apt-get and apk" >&2
    exit 64
fi
