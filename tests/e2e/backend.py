"""What the build backends of these tests share: a wheel of some files."""
import base64
import hashlib
import os
import zipfile


def wheel(folder, name, files, times=(1980, 1, 1, 0, 0, 0), order=sorted, mode=lambda: 0o644):
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [f"{path},sha256={digest(text)},{len(text.encode())}\n" for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join(order(lines)) + f"{info}/RECORD,,\n"
    filename = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, filename), "w") as archive:
        for path in order(files):
            entry = zipfile.ZipInfo(path, times)
            entry.external_attr = (0o100000 | mode()) << 16
            archive.writestr(entry, files[path])
    return filename


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
