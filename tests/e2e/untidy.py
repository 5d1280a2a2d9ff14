"""A build backend that leaves in its wheel what differs from build to build: the clock, its own place, any order and mode."""
import random
import sys
import time

from backend import wheel


def build_wheel(folder, config_settings=None, metadata_directory=None):
    files = {f"untidy/part{number}.py": f"PLACE = {sys.prefix!r}\n" for number in range(8)}
    files["untidy/__init__.py"] = ""
    now = time.localtime()[:6]
    return wheel(folder, "untidy", files, now, lambda all: random.sample(list(all), len(all)), lambda: random.choice([0o600, 0o664]))
