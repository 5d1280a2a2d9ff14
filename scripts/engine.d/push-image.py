#!/usr/bin/env python3
"""Pushes archives of pack-image.py to a registry on this machine, byte for byte, without any engine.

Several are one image for several architectures.

Plain HTTP and no credentials: it is for a registry on the loopback address alone.
"""

import http.client
import json
import sys
import tarfile


INDEX = "application/vnd.oci.image.index.v1+json"


def main():
    registry, name, tags, *archives = sys.argv[1:]
    connection = http.client.HTTPConnection(registry, timeout=60)
    images = [push_archive(connection, name, archive) for archive in archives]
    if len(images) == 1:
        body, media_type = images[0]["body"], images[0]["mediaType"]
    else:
        body, media_type = index_of(images), INDEX
    for tag in tags.split(","):
        push_manifest(connection, name, tag, body, media_type)


def push_archive(connection, name, archive):
    with tarfile.open(archive) as tar:
        manifest = read_json(tar, "index.json")["manifests"][0]
        image = read_json(tar, blob_path(manifest))
        config = read_json(tar, blob_path(image["config"]))
        for blob in [image["config"], *image["layers"]]:
            push_blob(connection, tar, name, blob)
        body = tar.extractfile(blob_path(manifest)).read()
    push_manifest(connection, name, manifest["digest"], body, manifest["mediaType"])
    platform = {"architecture": config["architecture"], "os": config["os"]}
    return {"mediaType": manifest["mediaType"], "digest": manifest["digest"], "body": body, "platform": platform}


def index_of(images):
    """One image for several architectures."""
    manifests = [
        {"mediaType": image["mediaType"], "digest": image["digest"], "size": len(image["body"]), "platform": image["platform"]}
        for image in images
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}, separators=(",", ":")).encode()


def push_manifest(connection, name, reference, body, media_type):
    call(connection, "PUT", f"/v2/{name}/manifests/{reference}", body, {"Content-Type": media_type}, expect=201)


def read_json(tar, path):
    return json.load(tar.extractfile(path))


def blob_path(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def push_blob(connection, tar, name, blob):
    digest = blob["digest"]
    if call(connection, "HEAD", f"/v2/{name}/blobs/{digest}", expect=(200, 404)).status == 200:
        return
    location = call(connection, "POST", f"/v2/{name}/blobs/uploads/", expect=202).getheader("Location")
    path = "/" + location.split("/", 3)[3] if "://" in location else location
    separator = "&" if "?" in path else "?"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob["size"])}
    call(connection, "PUT", f"{path}{separator}digest={digest}", tar.extractfile(blob_path(blob)), headers, expect=201)


def call(connection, method, path, body=None, headers=None, expect=200):
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    content = response.read()
    if response.status not in (expect if isinstance(expect, tuple) else (expect,)):
        sys.exit(f"{method} {path}: the registry answered {response.status}: {content.decode(errors='replace')}")
    return response


if __name__ == "__main__":
    main()
