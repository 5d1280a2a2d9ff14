"""Writes wheels into a folder that are wrong in one way each, and prints their digests: broken.py FOLDER."""
import base64
import hashlib
import io
import os
import struct
import sys
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def wheel(name, more=(), metadata=None, lie=False, without=()):
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": b"VALUE = 1\n",
        f"{info}/METADATA": metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **dict(more),
    }
    lines = [f"{path},sha256={digest(b'other' if lie and path.endswith('.py') else content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            if os.path.basename(path) not in without:
                archive.writestr(zipfile.ZipInfo(path, EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def bomb():
    """One that says it would unpack to three gigabytes."""
    size = 123456
    return wheel("bomb", more={"bomb/zeros.bin": bytes(size)}).replace(struct.pack("<L", size), struct.pack("<L", 3 << 30))


WHEELS = {
    "nozip": b"<html>not a wheel</html>",
    "cutoff": wheel("cutoff")[:-100],
    "liar": wheel("liar", lie=True),
    "escape": wheel("escape", more={"../../../../../etc/escaped": b"x"}),
    "bomb": bomb(),
    "norecord": wheel("norecord", without=("RECORD",)),
    "babble": wheel("babble", metadata=b"\xff\xfe no metadata"),
    "other": wheel("other", metadata=b"Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n"),
}

if __name__ == "__main__":
    for name, content in WHEELS.items():
        with open(f"{sys.argv[1]}/{name}-1.0-py3-none-any.whl", "wb") as file:
            file.write(content)
        print(name, hashlib.sha256(content).hexdigest())
