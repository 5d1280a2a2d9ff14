# Builds the source in /src to a wheel: an archive of a source distribution, or a tree with the package in a folder of
# it. The folder and the clock are fixed, so that paths and times in the result are too. Where a package's other
# sources are (`tool.uv.sources`) is the lock's business, not the build's.
set -eu
python=$1 kind=$2 subdirectory=$3 name=$4 version=$5
shift 5
umask 022

unpack() {
    for file in /src/*; do
        case "$file" in
            *.zip) "$python" -m zipfile -e "$file" . ;;
            *) tar -xf "$file" --no-same-owner ;;
        esac
    done
    set -- */
    if [ "$#" -ne 1 ]; then
        echo "a source distribution holds one folder, found: $*" >&2
        exit 65
    fi
    mv "$1" source
}

mkdir -p /tmp/build
cd /tmp/build
if [ "$kind" = tree ]; then cp -R /src source; else unpack; fi
# Compilers that remember, where the builder has them.
if [ -d /usr/lib/ccache ]; then export PATH="/usr/lib/ccache:$PATH"; fi
# A folder of the repository has its environment ready: only its own change builds it again.
backend=/run/wheelwright/backend/bin
status=75
if [ -x "$backend/python" ]; then
    status=0
    (
        cd "source/$subdirectory"
        PATH="$backend:$PATH" "$backend/python" /run/wheelwright/script/hook.py wheel /tmp/wheel "$@"
    ) >/tmp/said 2>&1 || status=$?
fi
if [ "$status" -ne 0 ] && [ "$status" -ne 75 ]; then
    cat /tmp/said >&2
    exit "$status"
fi
if [ "$status" -eq 0 ]; then
    exec "$python" -I -S /run/wheelwright/script/repack.py /tmp/wheel "$name" "$version"
fi
/run/wheelwright/uv build --quiet --wheel --no-config --no-sources --python "$python" --out-dir /tmp/wheel "$@" \
    "/tmp/build/source/$subdirectory"
exec "$python" -I -S /run/wheelwright/script/repack.py /tmp/wheel "$name" "$version"
