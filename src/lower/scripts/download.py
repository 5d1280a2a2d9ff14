"""Downloads one file that the engine cannot: with a login, or from a server that only the build's certificates vouch
for. What does not have the digest is not kept."""
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from login import header

TRIES = 3
# Seconds that a server may be silent, or slower than so many bytes a second.
PATIENCE = 60
SLOWEST = 1024


class SameHost(urllib.request.HTTPRedirectHandler):
    """Keeps the login from other hosts."""

    def redirect_request(self, request, *rest):
        new = super().redirect_request(request, *rest)
        if new and urllib.parse.urlsplit(new.full_url).netloc != urllib.parse.urlsplit(request.full_url).netloc:
            new.headers.pop("Authorization", None)
        return new


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    for attempt in range(TRIES):
        try:
            return fetch(job)
        except urllib.error.HTTPError as error:
            if error.code < 500:
                sys.exit(f"{job['filename']}: {job['url']} answers {error.code} {error.reason}{advice(job, error.code)}")
            reason = f"{error.code} {error.reason}"
        except OSError as error:
            reason = str(getattr(error, "reason", error))
        time.sleep(attempt)
    return sys.exit(f"{job['filename']}: {job['url']} cannot be downloaded: {reason}")


def advice(job, code):
    if code not in (401, 403):
        return ""
    if job["auth"]:
        return ": the login in the secret of its index is wrong, has run out, or does not allow this file"
    return ": its index wants a login, see `auth` in docs/indexes.md"


def fetch(job):
    request = urllib.request.Request(job["url"], headers={"User-Agent": "wheelwright"})
    if job["auth"]:
        request.add_header("Authorization", header(job["auth"], job["url"], job["filename"]))
    digest, place = hashlib.sha256(), f"/out/{job['filename']}"
    with urllib.request.build_opener(SameHost).open(request, timeout=PATIENCE) as answer, open(place, "wb") as out:
        begun, sent = time.monotonic(), 0
        while chunk := answer.read1(1 << 18):
            digest.update(chunk)
            out.write(chunk)
            sent += len(chunk)
            if (past := time.monotonic() - begun) > PATIENCE:
                if sent < SLOWEST * past:
                    sys.exit(f"{job['filename']}: {job['url']} sends less than 1 KiB a second")
                begun, sent = time.monotonic(), 0
    if digest.hexdigest() != job["sha256"]:
        os.remove(place)
        sys.exit(f"digest mismatch for {job['filename']}: expected sha256:{job['sha256']}, got sha256:{digest.hexdigest()}")
    os.chmod(place, 0o644)
    os.utime(place, (job["epoch"], job["epoch"]))


if __name__ == "__main__":
    main()
