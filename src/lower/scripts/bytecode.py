"""Compiles the modules of the wheels in /run/wheels to /out, as they will lie in the venv.

Reads the wheels themselves, so that no layer has to be unpacked for it. Each wheel is compiled by a process that has
compiled nothing else, file by file in sorted order: the marshal format remembers which strings a process knew already.
Files that are not for this Python (templates, code for others) have no bytecode, as with pip and uv.
"""
import hashlib
import marshal
import os
import sys
import warnings
import zipfile
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

# What was compiled before, a file a wheel: of a group in which one wheel is new, the others are only written again.
CACHE = "/var/cache/wheelwright-bytecode"
# Found by the source's hash, which nobody checks when it is imported (PEP 552).
UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(minor, site_packages, epoch):
    found = "%d.%d" % sys.version_info[:2]
    if found != minor:
        sys.exit("this image has Python %s, bytecode is wanted for %s" % (found, minor))
    warnings.simplefilter("ignore")
    os.umask(0o022)
    folders = sorted(os.listdir("/run/wheels"), key=int)
    waiting = {}
    failed = False
    for folder in folders:
        while len(waiting) >= (os.cpu_count() or 1):
            failed |= wait(waiting)
        child = os.fork()
        if child == 0:
            os._exit(compile_wheel("/run/wheels/" + folder, site_packages))
        waiting[child] = folder
    while waiting:
        failed |= wait(waiting)
    settle(site_packages, int(epoch))
    sys.exit(1 if failed else 0)


def wait(waiting):
    child, status = os.wait()
    del waiting[child]
    return status != 0


def compile_wheel(folder, site_packages):
    try:
        # Builders leave files of their own beside the wheel.
        (name,) = [name for name in os.listdir(folder) if name.endswith(".whl")]
        wheel = os.path.join(folder, name)
        known = os.path.join(CACHE, key(wheel, site_packages))
        compiled = recall(known)
        if compiled is None:
            compiled = compile_modules(wheel, site_packages)
            remember(known, compiled)
        for path, bytecode in compiled:
            write("/out" + cache_from_source(path), bytecode)
    except Exception as error:
        print("%s: %s" % (folder, error), file=sys.stderr)
        return 1
    return 0


def key(wheel, site_packages):
    digest = hashlib.sha256(("%s %s " % (sys.version, site_packages)).encode())
    with open(wheel, "rb") as content:
        for chunk in iter(lambda: content.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def recall(known):
    """What an earlier step compiled of the same wheel, if it is whole."""
    try:
        with open(known, "rb") as file:
            digest, content = file.read(32), file.read()
        return marshal.loads(content) if hashlib.sha256(content).digest() == digest else None
    except OSError:
        return None


def remember(known, compiled):
    content = marshal.dumps(compiled)
    with open("%s.%d" % (known, os.getpid()), "wb") as file:
        file.write(hashlib.sha256(content).digest() + content)
    os.replace(file.name, known)


def compile_modules(wheel, site_packages):
    compiled = []
    with zipfile.ZipFile(wheel) as archive:
        for entry in sorted(archive.namelist()):
            path = installed(entry)
            if path is not None:
                path = os.path.join(site_packages, path)
                bytecode = compile_module(archive.read(entry), path)
                if bytecode is not None:
                    compiled.append((path, bytecode))
    return compiled


def installed(entry):
    """Where a module goes in site-packages; nothing for other files."""
    parts = entry.split("/")
    if not entry.endswith(".py"):
        return None
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError("`%s` leaves the wheel" % entry)
    if parts[0].endswith(".data"):
        if len(parts) < 3 or parts[1] not in ("purelib", "platlib"):
            return None
        parts = parts[2:]
    return "/".join(parts)


def compile_module(source, path):
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except Exception:
        return None
    return MAGIC_NUMBER + UNCHECKED_HASH + source_hash(source) + marshal.dumps(code)


def write(target, bytecode):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as out:
        out.write(bytecode)


def settle(site_packages, epoch):
    """Fixed times for what was written and for the folders that it was written to."""
    top = "/out" + site_packages
    if not os.path.isdir(top):
        return
    for folder, _, files in os.walk(top):
        if os.path.basename(folder) == "__pycache__":
            for name in files:
                os.utime(os.path.join(folder, name), (epoch, epoch))
        os.utime(folder, (epoch, epoch))
    while top != "/out":
        os.utime(top, (epoch, epoch))
        top = os.path.dirname(top)


main(*sys.argv[1:])
