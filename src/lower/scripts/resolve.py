"""Resolves requirement files with uv, as a job file says.

One service alone, or several together: first the union of all they ask for, then each with that result as its
constraints, so that they get equal versions. Packages that belong to one index (`only`) are asked for from there
and from nowhere else: uv pins an index to what is asked for directly, so those that turn out to be needed are
asked for directly, until what is needed and what is asked for are the same.

Writes the lock to /out, or those of several services to folders of their own there, and, where the job wants a
report, `report.json` with what went wrong.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from login import login
from relay import edit_all, folder_of_nobody, own_all, relay, taken

OUT = "/out"
# As deep as that: what is written there has paths relative to it.
OUT_OF_NOBODY = "/uv-out"
VERSIONS_OF_NOBODY = "/uv-versions"
PINS = "packages-with-an-index"
ANNOTATED = ["--annotation-style", "split", "--emit-index-annotation"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    resolver = Resolver(job)
    services = job["services"]
    report = {"failed": None, "alone": {}}
    try:
        alone = len(services) == 1
        pins = resolver.together(services) if job["preferences"] or not alone else None
        for number, service in enumerate(services):
            resolver.lock(service, pins, OUT if alone else f"{OUT}/{number}")
    except Unsolved as unsolved:
        if not job["report"]:
            sys.stderr.write(str(unsolved))
            sys.exit(unsolved.code)
        report["failed"] = str(unsolved)
        report["alone"] = {service["name"]: resolver.alone(service) for service in services}
    if job["report"]:
        with open(f"{OUT}/report.json", "w", encoding="utf-8") as file:
            json.dump(report, file, sort_keys=True)


class Unsolved(Exception):
    """uv found no solution, or failed."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Resolver:
    """uv with the job's options."""

    def __init__(self, job):
        self.job = job
        self.options = job["options"]
        self.preferences = job["preferences"]
        self.indexes = job["indexes"]
        # Only root writes here, so nobody else says where root writes to.
        self.temporary = tempfile.mkdtemp()
        os.chmod(self.temporary, 0o755)
        self.relay = relay(self.indexes, job["uv"]) if job["relay"] else None
        if self.relay:
            edit_all(os.getcwd(), self.relay.through)
            own_all(os.getcwd())
            self.indexes = [dict(index, url=self.relay.through(index["url"])) for index in self.indexes]
        else:
            self.environment = dict(os.environ, **credentials(self.indexes))
            # What is built could read them.
            self.options += ["--no-build"] if any(index["auth"] for index in self.indexes) else []
        self.index_of = {name: index for index in self.indexes for name in index["only"]}

    def together(self, services):
        """The versions that suit all services, as a constraint file."""
        requirements = unique(path for service in services for path in service["requirements"])
        constraints = unique(path for service in services for path in service["constraints"])
        text, _ = self.solve(requirements, constraints)
        return self.write("together.txt", "".join(entry.line + "\n" for entry in entries(text)))

    def lock(self, service, pins, folder):
        """Writes a service's lock."""
        os.makedirs(folder, exist_ok=True)
        constraints = service["constraints"] + ([pins] if pins else [])
        asked = self.solve(service["requirements"], constraints)[1] if self.index_of else set()
        text = self.made(
            f"{folder}/pylock.toml",
            None,
            lambda path: self.uv(service["requirements"], constraints, asked, ["--format", "pylock.toml", "--output-file", path]),
        )
        with open(f"{folder}/pylock.toml", "w", encoding="utf-8") as file:
            file.write(self.real(text))

    def alone(self, service):
        """What a service gets when nobody else is asked."""
        try:
            return {"text": self.real(self.solve(service["requirements"], service["constraints"])[0])}
        except Unsolved as unsolved:
            return {"error": str(unsolved)}

    def solve(self, requirements, constraints):
        """The versions with who asks for them, and which packages had to be asked for directly."""
        if not self.index_of:
            return self.versions(requirements, constraints, set()), set()
        asked = self.needed_at_a_guess(requirements, constraints)
        for _ in range(8):
            text = self.versions(requirements, constraints, asked)
            found = entries(text)
            needed = {entry.name for entry in found if entry.name in self.index_of and entry.needed()}
            if needed == asked:
                self.verify(found)
                return text, asked
            asked = needed
        raise Unsolved(1, "the packages that belong to one index change with where they come from\n")

    def needed_at_a_guess(self, requirements, constraints):
        try:
            text = self.uv(requirements, constraints, None, ANNOTATED)
        except Unsolved:
            return set(self.index_of)
        return {entry.name for entry in entries(text) if entry.name in self.index_of}

    def verify(self, found):
        """No package comes from where it may not."""
        for entry in found:
            index = self.index_of.get(entry.name)
            others = [other["url"] for other in self.indexes if other["only"] and other is not index]
            if entry.index is None:
                continue
            if (index and entry.index != index["url"]) or entry.index in others:
                raise Unsolved(1, f"`{entry.name}` came from {self.real(entry.index)}, which is not where it belongs\n")

    def versions(self, requirements, constraints, asked):
        """uv's annotated list. It takes the versions to keep from the file that it is to write."""
        return self.made(
            f"{self.temporary}/versions.txt",
            self.preferences,
            lambda path: self.uv(requirements, constraints, asked, [*ANNOTATED, "--output-file", path]),
        )

    def made(self, path, before, make):
        """The text that uv writes to a file, where it finds what was before."""
        if self.relay:
            folder, name = os.path.split(path)
            folder = OUT_OF_NOBODY + folder[len(OUT):] if folder.startswith(OUT) else VERSIONS_OF_NOBODY
            opened = folder_of_nobody(folder, {} if before is None else {name: before})
            make(f"{folder}/{name}")
            return taken(opened, name)
        if before is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(before)
        make(path)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def real(self, text):
        """A text with the addresses of indexes as they are everywhere."""
        return self.relay.real(text) if self.relay else text

    def uv(self, requirements, constraints, asked, options):
        """Runs uv. `asked`: packages asked for from their own index; None tries all indexes for everything."""
        command = [self.job["uv"], "pip", "compile", *self.options, *options]
        for index in self.indexes:
            if asked is None or not index["only"]:
                command += ["--default-index" if index["default"] else "--index", f"{index['name']}={index['url']}"]
        for path in constraints:
            command += ["--constraint", path]
        command.append("--")
        if asked:
            command.append(self.project(asked))
        said = {"capture_output": True, "text": True}
        if self.relay:
            done = self.relay.run(command + requirements, **said)
        else:
            done = subprocess.run(command + requirements, env=self.environment, check=False, **said)
        if done.returncode != 0:
            told = self.relay.told(done.stderr) if self.relay else done.stderr
            raise Unsolved(done.returncode, told.replace(PINS, "`indexes.only` of the manifest"))
        sys.stderr.write(self.real(done.stderr))
        return done.stdout

    def project(self, asked):
        """A project that asks for packages from their index: requirement files cannot say that."""
        names = sorted(asked)
        lines = ["[project]", f'name = "{PINS}"', 'version = "0"', f"dependencies = {json.dumps(names)}", "[tool.uv.sources]"]
        lines += [f"{json.dumps(name)} = {{ index = {json.dumps(self.index_of[name]['name'])} }}" for name in names]
        for index in self.indexes:
            if index["only"]:
                lines += ["[[tool.uv.index]]", f"name = {json.dumps(index['name'])}", f"url = {json.dumps(index['url'])}", "explicit = true"]
        os.makedirs(f"{self.temporary}/{PINS}", exist_ok=True)
        return self.write(f"{PINS}/pyproject.toml", "\n".join(lines) + "\n")

    def write(self, name, text):
        """A file of ours; its path."""
        path = f"{self.temporary}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class Entry:
    """One package of uv's annotated output."""

    def __init__(self, line):
        self.line = line
        self.name = re.match(r"[A-Za-z0-9._-]+", line).group().lower()
        self.via = []
        self.index = None

    def needed(self):
        return any(not via.startswith((PINS, "-c ")) for via in self.via)


def entries(text):
    found = []
    for line in text.splitlines():
        note = line.strip()
        if line and not line[0].isspace() and line[0] not in "#-":
            found.append(Entry(line))
        elif note.startswith("# from "):
            found[-1].index = note[len("# from "):]
        elif note.startswith("#") and found:
            via = note.lstrip("# ")
            via = via[len("via"):].strip() if via == "via" or via.startswith("via ") else via
            found[-1].via += [via] if via else []
    return found


def credentials(indexes):
    """User and password of each index, from its secret, in the variables that uv reads."""
    found = {}
    for index in indexes:
        if index["auth"]:
            user, password = login(index["auth"], index["url"], f"the index `{index['name']}`")
            name = re.sub(r"[^A-Za-z0-9]", "_", index["name"]).upper()
            found[f"UV_INDEX_{name}_USERNAME"] = user
            found[f"UV_INDEX_{name}_PASSWORD"] = password
    return found


def unique(items):
    return list(dict.fromkeys(items))


if __name__ == "__main__":
    main()
