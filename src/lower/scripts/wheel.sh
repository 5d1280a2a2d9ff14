# Builds the one source distribution in /src to a wheel. The folder and the clock are fixed, so that paths and
# times in the result are too.
set -eu
python=$1
mkdir -p /tmp/build
cd /tmp/build
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
mv "$1" /tmp/build/source
exec /run/wheelwright/uv build --quiet --wheel --no-config --python "$python" --out-dir /out /tmp/build/source
