"""The Dockerfile frontend as an image, which a `# syntax=docker/dockerfile:1` line asks for.

Where no public registry answers it is built from the engine's own source, as `scripts/engine` builds the engine, and
put under its usual name into the registry that the engine asks before docker.io.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import registry

NAME = "docker/dockerfile:1"
# As its own image has them.
DOCKERFILE = """FROM scratch
LABEL moby.buildkit.frontend.network.none="true" \\
      moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring"
COPY dockerfile-frontend /bin/
ENTRYPOINT ["/bin/dockerfile-frontend"]
"""


def missing(host: str) -> str | None:
    """Why there is no such image and none can be made."""
    try:
        registry.inspect(f"{host}/{NAME}")
    except OSError:
        return None if shutil.which("go") else f"{host} has no {NAME}, and there is no `go` to build it"
    return None


def context(host: str, version: str, folder: Path) -> Path | None:
    """A build context for the image, for the engine's version; none when the registry has it."""
    try:
        registry.inspect(f"{host}/{NAME}")
        return None
    except OSError:
        pass
    module = f"github.com/moby/buildkit@{version}"
    said = subprocess.run(["go", "mod", "download", "-json", module], cwd="/", capture_output=True, check=True)
    package = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(folder / "dockerfile-frontend"),
               "./frontend/dockerfile/cmd/dockerfile-frontend"]
    subprocess.run(["go", "-C", json.loads(said.stdout)["Dir"], "build", *package],
                   env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder
