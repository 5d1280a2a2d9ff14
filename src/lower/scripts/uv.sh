# Fetches uv by name and hash from the index that the image's pip is set up for. An image without pip gets one of
# its own Python's, in a venv that goes away.
set -eu
python=$1
if ! "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv /tmp/tool
    python=/tmp/tool/bin/python
fi
"$python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary :all: --root-user-action ignore --target /tmp/uv -r /run/wheelwright/uv.txt
cp /tmp/uv/bin/uv /out/uv
