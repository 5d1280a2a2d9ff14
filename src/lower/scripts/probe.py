"""Writes what decides markers and wheel tags: version, path, C library, machine."""
import json
import os
import platform
import subprocess
import sys


def libc():
    name, version = platform.libc_ver()
    if name == "glibc":
        return f"glibc {version}"
    for entry in sorted(os.listdir("/lib")):
        if entry.startswith("ld-musl-"):
            said = subprocess.run(["/lib/" + entry], capture_output=True, text=True, check=False).stderr
            for line in said.splitlines():
                if line.startswith("Version "):
                    return "musl " + line.split()[1]
    return "unknown"


found = {
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "executable": os.path.realpath(sys.executable),
    "libc": libc(),
    "machine": platform.machine(),
}
with open(sys.argv[1], "w", encoding="utf-8") as out:
    json.dump(found, out, sort_keys=True)
