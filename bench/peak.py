"""The most memory that the frontend's process held while something ran, read from the kernel's own account of it."""

import threading
from pathlib import Path

PROGRAM = "wheelwright"


class Peak:
    """Watches this machine's processes from a thread; the engine has to run on it, too."""

    def __init__(self) -> None:
        self.bytes: int | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.002):
            for process in Path("/proc").glob("[0-9]*"):
                found = _resident(process)
                if found and found > (self.bytes or 0):
                    self.bytes = found


def _resident(process: Path) -> int | None:
    """The high-water mark of a frontend; none for other processes, and for those that are gone."""
    try:
        if (process / "cmdline").read_bytes() != f"/{PROGRAM}\0frontend\0".encode():
            return None
        lines = (process / "status").read_text().splitlines()
    except OSError:
        return None
    mark = next((line for line in lines if line.startswith("VmHWM:")), None)
    return int(mark.split()[1]) * 1024 if mark else None
