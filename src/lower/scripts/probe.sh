# Finds the image's Python: the wanted minor version first, then whatever is called python3 or python.
set -eu
for name in "python$1" python3 python; do
    if python=$(command -v "$name"); then
        exec "$python" -I -S /run/wheelwright/probe.py /out/interpreter.json
    fi
done
echo '{}' >/out/interpreter.json
