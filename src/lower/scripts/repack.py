"""Checks the wheel that a build made, and writes it to /out in one form: a source gives equal bytes wherever it is built.

Backends write the time of the build, files in the order of a folder, and the place of their environment, which uv calls
anew each time. Here entries are sorted and have one time, and that place has one name; what is changed so is changed in
RECORD, too. The files stay as the backend made them.
"""
import base64
import hashlib
import os
import re
import sys
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)
# uv's name for a build's environment, and a fixed one of the same length, so that no offset in a binary changes.
ENVIRONMENT = re.compile(rb"(/builds-v0/\.tmp)[A-Za-z0-9]{6}")
FIXED = rb"\g<1>000000"
RECORD = re.compile(r"[^/]+\.dist-info/RECORD")


def main(folder, name, version):
    made = [file for file in sorted(os.listdir(folder)) if file.endswith(".whl")]
    if len(made) != 1:
        sys.exit("the build of %s made %s, expected one wheel" % (name, " and ".join(made) or "no wheel"))
    verify(made[0], name, version)
    with zipfile.ZipFile(os.path.join(folder, made[0])) as source, zipfile.ZipFile("/out/" + made[0], "w") as out:
        repack(source, out)


def verify(filename, name, version):
    """A wheel of something else would be laid down under this name."""
    made_name, made_version = (filename.split("-") + [""])[:2]
    if normal(made_name) != normal(name):
        sys.exit("the build of %s made a wheel of another package: %s" % (name, filename))
    if version and release(made_version) != release(version):
        sys.exit("the build of %s %s made another version: %s" % (name, version, filename))


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version):
    """The numbers of a version; backends write the rest of it in several ways."""
    found = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version.lower())
    return re.sub(r"(\.0+)+$", "", found.group(1)) if found else version


def repack(source, out):
    changed, records = {}, []
    for info in sorted(source.infolist(), key=order):
        if info.is_dir():
            continue
        if RECORD.fullmatch(info.filename):
            records.append(info)
            continue
        content = source.read(info)
        fixed = ENVIRONMENT.sub(FIXED, content)
        if fixed != content:
            changed[info.filename] = fixed_line(fixed)
        write(out, info, fixed)
    for info in records:
        write(out, info, record(source.read(info).decode(), changed).encode())


def order(info):
    """Metadata comes last, as the format recommends."""
    return (info.filename.split("/")[0].endswith(".dist-info"), info.filename)


def fixed_line(content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return "sha256=%s,%d" % (digest, len(content))


def record(text, changed):
    lines = []
    for line in filter(None, text.splitlines()):
        path = line.rsplit(",", 2)[0]
        known = path.strip('"').replace('""', '"')
        lines.append("%s,%s" % (path, changed[known]) if known in changed else line)
    return "".join(line + "\n" for line in sorted(lines))


def write(out, source, content):
    info = zipfile.ZipInfo(source.filename, EPOCH)
    mode = source.external_attr >> 16
    info.external_attr = (mode & 0o170000 | (0o755 if mode & 0o111 else 0o644)) << 16
    info.create_system = 3
    info.compress_type = zipfile.ZIP_DEFLATED
    out.writestr(info, content)


if __name__ == "__main__":
    main(*sys.argv[1:])
