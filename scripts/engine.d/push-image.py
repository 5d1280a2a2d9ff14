#!/usr/bin/env python3
"""Pushes an archive of pack-image.py to a registry on this machine, byte for byte, without any engine.

Plain HTTP and no credentials: it is for a registry on the loopback address alone.
"""

import http.client
import json
import sys
import tarfile


def main():
    archive, registry, name, tag = sys.argv[1:]
    connection = http.client.HTTPConnection(registry, timeout=60)
    with tarfile.open(archive) as tar:
        index = read_json(tar, "index.json")
        manifest = index["manifests"][0]
        image = read_json(tar, blob_path(manifest))
        for blob in [image["config"], *image["layers"]]:
            push_blob(connection, tar, name, blob)
        body = tar.extractfile(blob_path(manifest)).read()
        call(connection, "PUT", f"/v2/{name}/manifests/{tag}", body, {"Content-Type": manifest["mediaType"]}, expect=201)


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
