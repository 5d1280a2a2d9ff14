"""Runs `uv lock` on a workspace, as a job file says, and writes the lock to /out.

What uv reads of the repository is in the working directory; it works on a copy, in which addresses are those of mirrors and
of the relay. With a login and no relay it does not start: members may have to be built, and would see the login.
"""
import json
import os
import shutil
import subprocess
import sys

from relay import edit_all, own_all, relay, replaced, taken

COPY = "/uv-project"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    indexes = job["indexes"]
    between = relay(indexes, job["uv"])
    if not between and any(index["auth"] for index in indexes):
        sys.exit("uv.lock cannot be made with a login on this base: it takes root, Python 3.9 or newer, and modules ctypes and ssl")
    mirrors = job["mirrors"]
    back = [(to, origin) for origin, to in mirrors]

    def through(text):
        return between.through(text) if between else text

    def real(text):
        return replaced(between.real(text) if between else text, back)

    shutil.copytree(".", COPY, symlinks=True)
    edit_all(COPY, lambda text: through(replaced(text, mirrors)))
    folder = os.path.join(COPY, job["folder"])
    command = [job["uv"], "lock", "--directory", folder, "--python", job["python"], *job["options"]]
    for index in indexes:
        if not index["only"]:
            command += ["--default-index" if index["default"] else "--index", f"{index['name']}={through(index['url'])}"]
    said = {"capture_output": True, "text": True}
    if between:
        own_all(COPY)
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        done = between.run(command, cwd="/", **said)
    else:
        done = subprocess.run(command, check=False, cwd="/", **said)
    told = between.told(done.stderr) if between and done.returncode != 0 else done.stderr
    sys.stderr.write(real(told).replace(COPY + "/", ""))
    if done.returncode != 0:
        sys.exit(done.returncode)
    text = taken(opened, "uv.lock") if between else read(f"{folder}/uv.lock")
    with open("/out/uv.lock", "w", encoding="utf-8") as file:
        file.write(real(text))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    main()
