"""A build backend that looks for what it should not see and writes where it should not; its wheel says how that went."""
import json
import os

from backend import wheel

MARK = "left by a curious build"
PLACES = [
    "/src/mark",
    "/run/wheelwright/uv/uv",
    "/run/wheelwright/script/wheel.sh",
    "/usr/lib/python3/mark",
    "/root/.cache/uv/mark",
    "/root/.cache/ccache/mark",
    "/root/.cargo/registry/mark",
]


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = os.environ["NAME"]
    report = {"environment": dict(os.environ), "seen": list(seen()), "written": []}
    for place in PLACES if name == "curious" else []:
        try:
            with open(place, "a", encoding="utf-8") as file:
                file.write(MARK)
            report["written"].append(place)
        except OSError:
            pass
    return wheel(folder, name, {f"{name}.json": json.dumps(report)})


def seen():
    """All that can be read of a build's surroundings."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        for what in ("environ", "cmdline", "mountinfo"):
            yield from read(f"/proc/{process}/{what}")
    for top in ("/root", "/run", "/tmp", "/var/cache", "/etc", "/home"):
        for folder, _, files in os.walk(top):
            for file in files:
                yield from read(os.path.join(folder, file))


def read(path):
    try:
        if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
            with open(path, "rb") as file:
                yield [path, file.read().decode("latin-1")]
    except OSError:
        return
