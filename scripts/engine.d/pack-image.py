#!/usr/bin/env python3
"""Packs a directory into an image archive that `docker load` of either store understands.

The same tree gives the same bytes: entries are sorted, names of owners are left out, nothing of the clock gets in.
The archive holds one gzip layer and both an OCI index and Docker's older manifest.json.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import tarfile

BLOBS = "blobs/sha256"


def main():
    arguments = parse_arguments()
    blobs = {}
    layer, diff_id = pack_layer(arguments.rootfs, arguments.level)
    layer_digest = add(blobs, layer)
    config_digest = add(blobs, to_json(image_config(arguments, diff_id)))
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(blobs, config_digest, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(blobs, layer_digest, "application/vnd.oci.image.layer.v1.tar+gzip")],
    }
    manifest_digest = add(blobs, to_json(manifest))
    write_archive(arguments.output, arguments.tag, blobs, manifest_digest, config_digest, layer_digest)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rootfs", required=True, help="directory to pack")
    parser.add_argument("--output", required=True, help="archive to write")
    parser.add_argument("--tag", required=True, help="full name of the image, with host and tag")
    parser.add_argument("--architecture", required=True, help="Go's name of it, such as amd64")
    parser.add_argument("--created", required=True, help="time in RFC 3339")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--command", required=True, help="one word")
    parser.add_argument("--level", type=int, default=6, help="of the compression")
    return parser.parse_args()


def pack_layer(rootfs, level):
    """Returns the compressed layer and the digest of what is in it."""
    compressed = io.BytesIO()
    with gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=level, mtime=0, filename="") as stream:
        hashing = Hashing(stream)
        with tarfile.open(fileobj=hashing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted_tree(rootfs):
                add_entry(tar, rootfs, path)
    return compressed.getvalue(), hashing.digest()


class Hashing:
    """A file that hashes what passes through."""

    def __init__(self, inner):
        self.inner = inner
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)
        return self.inner.write(data)

    def digest(self):
        return f"sha256:{self.hash.hexdigest()}"


def sorted_tree(rootfs):
    for directory, names, files in os.walk(rootfs):
        names.sort()
        links = [name for name in names if os.path.islink(os.path.join(directory, name))]
        if directory != rootfs:
            yield os.path.relpath(directory, rootfs)
        for name in sorted(files + links):
            yield os.path.relpath(os.path.join(directory, name), rootfs)


def add_entry(tar, rootfs, path):
    source = os.path.join(rootfs, path)
    entry = tar.gettarinfo(source, arcname=path)
    entry.mtime = int(entry.mtime)
    entry.uname = entry.gname = ""
    if entry.isreg():
        with open(source, "rb") as content:
            tar.addfile(entry, content)
    else:
        tar.addfile(entry)


def image_config(arguments, diff_id):
    return {
        "architecture": arguments.architecture,
        "os": "linux",
        "created": arguments.created,
        "config": {"Env": arguments.env, "Cmd": [arguments.command]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": arguments.created, "created_by": "scripts/engine: stand-in from Debian packages"}],
    }


def to_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def add(blobs, data):
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return digest


def descriptor(blobs, digest, media_type):
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(blobs[digest])}


def write_archive(output, tag, blobs, manifest_digest, config_digest, layer_digest):
    index = descriptor(blobs, manifest_digest, "application/vnd.oci.image.manifest.v1+json")
    # Both names are needed: containerd reads the first, the second is OCI's.
    index["annotations"] = {
        "io.containerd.image.name": tag,
        "org.opencontainers.image.ref.name": tag.rpartition(":")[2],
    }
    files = {f"{BLOBS}/{digest}": data for digest, data in blobs.items()}
    files["index.json"] = to_json({"schemaVersion": 2, "manifests": [index]})
    files["oci-layout"] = to_json({"imageLayoutVersion": "1.0.0"})
    files["manifest.json"] = to_json(
        [{"Config": f"{BLOBS}/{config_digest}", "RepoTags": [tag], "Layers": [f"{BLOBS}/{layer_digest}"]}]
    )
    with tarfile.open(output, "w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))


if __name__ == "__main__":
    main()
