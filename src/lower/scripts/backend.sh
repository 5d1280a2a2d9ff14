# Makes the environment that a folder of the repository is built in, from the pyproject.toml in /src, in the place where the
# build will find it. It stays empty where the file cannot be read by this Python: then the build makes one itself.
set -eu
python=$1
shift
umask 022

"$python" -I -S /run/wheelwright/script/hook.py requires /src/pyproject.toml >/tmp/requires.txt || exit 0
uv() { /run/wheelwright/uv --quiet --no-config "$@"; }
uv venv --python "$python" /tmp/venv
cp -R /tmp/venv/. /run/wheelwright/backend
uv pip install --no-sources --compile-bytecode --python /run/wheelwright/backend/bin/python "$@" \
    --requirements /tmp/requires.txt
