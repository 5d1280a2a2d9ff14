"""A package index for tests: makes small wheels and serves them in the simple API, with a login where one is given.

index.py LOGIN CERTIFICATE PACKAGE…: packages as NAME==VERSION[:REQUIREMENT,REQUIREMENT][#WORDS], or NAME==VERSION@FOLDER for a
source distribution of what is in a folder. Words make a wheel that no engine has seen. A login is USER:PASSWORD or a whole Authorization header; an empty one lets
everybody in. With a certificate (a PEM file with its key) it speaks TLS. Files of packages whose names begin with a word
of FAULTS, with "slow", "cut" or "liar" cannot be had as they should. Metadata is beside wheels (PEP 658), but for packages whose
names begin with "silent" or "parts"; files of the latter are given in parts. As a proxy it
answers for every host itself. Prints its port, the digest of
a file of each package, then one line for each request: status and path.
"""
import base64
import hashlib
import http.server
import io
import ssl
import sys
import tarfile
import time
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)
FAULTS = {"refused": 401, "forbidden": 403, "gone": 404, "broken": 500}


def wheel(name, version, requirements, words):
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    files = {
        f"{name}.py": f"VERSION = '{version}'\n" + (f"# {words}\n" if words else ""),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, EPOCH), text)
    return f"{name}-{version}-py3-none-any.whl", out.getvalue()


def metadata(content):
    """What a wheel says of itself."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return archive.read(name)


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def source(name, version, folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(folder, f"{name}-{version}")
    return f"{name}-{version}.tar.gz", out.getvalue()


def packages(words):
    found = {}
    for word in words:
        name, rest = word.split("==")
        if "@" in rest:
            filename, content = source(name, *rest.split("@"))
        else:
            rest, _, words = rest.partition("#")
            version, _, needs = rest.partition(":")
            filename, content = wheel(name, version, [need for need in needs.split(",") if need], words)
        found.setdefault(name, {})[filename] = content
    return found


class Index(http.server.BaseHTTPRequestHandler):
    found = {}
    login = ""

    def do_GET(self):
        if self.path.startswith("http://"):
            print("through the proxy:", self.path)
            self.path = "/" + self.path.split("/", 3)[3]
        status, kind, body = self.answer()
        name = self.path.split("/")[2] if self.path.startswith("/files/") else ""
        if name.startswith("slow"):
            time.sleep(3600)
        if name.startswith("liar"):
            body = body[:-1] + b"?"
        if status == 200 and name.startswith("parts") and self.headers.get("Range"):
            status, body = self.part(body)
        # Whole lines, from several threads, before anybody can go on with what was answered.
        print(f"{status} {self.path}\n", end="", flush=True)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", self.range)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if name.startswith("cut") else body)
            self.close_connection = True

    do_HEAD = do_GET

    def part(self, body):
        start, end = self.headers["Range"].removeprefix("bytes=").split("-")
        last = len(body) - 1
        first, last = (int(start), min(int(end or last), last)) if start else (max(len(body) - int(end), 0), last)
        self.range = f"bytes {first}-{last}/{len(body)}"
        return 206, body[first : last + 1]

    def answer(self):
        expected = self.login if " " in self.login else "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.login and self.headers.get("Authorization") != expected:
            return 401, "text/plain", b"no"
        parts = [part for part in self.path.split("?")[0].split("/") if part]
        if len(parts) == 2 and parts[0] == "simple" and parts[1] in self.found:
            links = (
                f'<a href="/files/{parts[1]}/{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
                for name, content in self.found[parts[1]].items()
            )
            return 200, "text/html", ("<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>").encode()
        if len(parts) == 3 and parts[0] == "files":
            for word, status in FAULTS.items():
                if parts[1].startswith(word):
                    return status, "text/plain", b"no"
            filename = parts[2].removesuffix(".metadata")
            content = self.found.get(parts[1], {}).get(filename)
            if content and filename != parts[2]:
                content = None if parts[1].startswith(("silent", "parts")) else metadata(content)
            if content:
                return 200, "application/octet-stream", content
        return 404, "text/plain", b"not here"

    def log_message(self, *_):
        pass


def main():
    Index.login, Index.found = sys.argv[1], packages(sys.argv[3:])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    if sys.argv[2]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1])
    print(*(f"{name}={hashlib.sha256([*files.values()][-1]).hexdigest()}" for name, files in Index.found.items()), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
