"""What images hold, asked of their registry: enough to tell how many bytes a push had to send."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass

ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


@dataclass(frozen=True)
class Image:
    """An image's blobs by digest, in compressed bytes, and how many of them are layers."""

    blobs: dict[str, int]
    layers: int

    def size(self) -> int:
        """All its bytes."""
        return sum(self.blobs.values())

    def new_bytes(self, known: set[str]) -> int:
        """The bytes of the blobs that are not among the known ones."""
        return sum(size for digest, size in self.blobs.items() if digest not in known)


def inspect(reference: str) -> Image:
    """Reads `HOST/REPOSITORY:TAG`; raises `OSError` when the registry does not have it."""
    host, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    return _inspect(host, repository, tag)


def _inspect(host: str, repository: str, tag: str) -> Image:
    manifest = _get(f"{_scheme(host)}://{host}/v2/{repository}/manifests/{tag}")
    if "manifests" not in manifest:
        parts = [manifest["config"], *manifest["layers"]]
        return Image({part["digest"]: part["size"] for part in parts}, len(manifest["layers"]))
    children = [_inspect(host, repository, child["digest"]) for child in manifest["manifests"]]
    blobs = {digest: size for child in children for digest, size in child.blobs.items()}
    return Image(blobs, max((child.layers for child in children), default=0))


def _scheme(host: str) -> str:
    """Plain HTTP on this machine, as container engines have it."""
    return "http" if host.split(":")[0] in ("localhost", "127.0.0.1") else "https"


def _get(url: str) -> dict:
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise OSError(f"{url}: {error.code} {error.reason}") from error
