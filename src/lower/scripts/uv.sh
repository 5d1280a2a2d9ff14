# Fetches uv by name and hash from the index that the image's pip is set up for.
set -eu
"$1" -m venv /tmp/tool
/tmp/tool/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary :all: --target /tmp/uv -r /run/wheelwright/uv.txt
cp /tmp/uv/bin/uv /out/uv
