# Builds the source in /src to a wheel: an archive of a source distribution, a tree with the package in a folder of it, or
# the package's own files alone. The folder and the clock are fixed, so that paths and times in the result are too. Where a package's other
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

# Backends leave out what they do not find, and say nothing.
complete() {
    find source -type l | while read -r link; do
        if [ -e "$link" ]; then continue; fi
        echo "${link#source/} is a link to $(readlink "$link"), which is no file of this package: put the file itself there" >&2
        exit 66
    done
}

mkdir -p /tmp/build
cd /tmp/build
if [ "$kind" = archive ]; then unpack; else cp -R /src source; fi
if [ "$kind" = own ]; then complete; fi
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
