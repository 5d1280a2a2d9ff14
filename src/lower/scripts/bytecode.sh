# Finds the image's Python of the wanted minor version and has it compile. Not in isolated mode, which would not see
# the fixed hash seed; nothing but the standard library is on its path.
set -eu
for name in "python$1" python3 python; do
    if python=$(command -v "$name"); then
        exec "$python" -S -s /run/wheelwright/bytecode.py "$@"
    fi
done
echo "this image has no Python to compile bytecode with" >&2
exit 69
