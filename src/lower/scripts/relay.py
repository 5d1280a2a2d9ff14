"""Keeps logins from code that packages are built with: uv runs as a user who can read no secret, and asks indexes
through a relay on this machine that adds the login on the way.

Each server of an index has a port of its own, so that links within it hold as they are. Links to the servers with a login
are rewritten in pages, and back in what uv writes (`real`). Only reading goes through, and no redirection is followed: who is
sent elsewhere goes there without a login.
"""
import hashlib
import http.client
import http.server
import os
import shutil
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

from login import header

NOBODY = 65534
CACHE = "/var/cache/wheelwright-uv"
PORTS = range(20000, 30000)
ASKED = ["Accept", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Range", "User-Agent"]
ANSWERED = ["Accept-Ranges", "Cache-Control", "Content-Range", "Content-Type", "ETag", "Last-Modified"]
NO_NEW_PRIVILEGES = 38
SMALL = 1 << 20
PACKAGE = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".egg")


class Relay:
    """The servers that need a login, each on a port of its own."""

    def __init__(self, indexes):
        self.logins = {}
        for index in indexes:
            if index["auth"]:
                value = header(index["auth"], index["url"], f"the index `{index['name']}`")
                self.logins.setdefault(server(index["url"]), []).append((index["url"], value))
        self.local = {}
        self.troubles = {}
        for name in self.logins:
            listening = listen(name, self)
            self.local[name] = f"http://127.0.0.1:{listening.server_address[1]}"
            threading.Thread(target=listening.serve_forever, daemon=True).start()

    def through(self, text):
        """A text with the addresses of these servers as they are reached."""
        return replaced(text, [(name + "/", local + "/") for name, local in self.local.items()])

    def real(self, text):
        """The same the other way."""
        return replaced(text, [(local + "/", name + "/") for name, local in self.local.items()])

    def told(self, text):
        """What uv says of a failure, with what it cannot know: why a server was not reached."""
        return self.real(text) + "".join(f"{trouble}\n" for trouble in self.troubles)

    def login(self, url):
        """The login for an address: of the index that it belongs to, else of any on its server."""
        known = self.logins[server(url)]
        own = [value for address, value in known if url.startswith(address.rstrip("/") + "/")]
        return (own or [known[0][1]])[0]

    def is_read(self, url):
        """Whether an address is a page of an index or a package; a login may open other things on the same server."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        if ".." in path.split("/"):
            return False
        pages = any(f"{url}/".startswith(address.rstrip("/") + "/") for address, _ in self.logins[server(url)])
        return pages or path.removesuffix(".metadata").endswith(PACKAGE)

    def environment(self):
        """The environment of what runs as nobody."""
        direct = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1"]))
        return dict(os.environ, HOME="/tmp", UV_CACHE_DIR=CACHE, NO_PROXY=direct, no_proxy=direct)

    def run(self, command, **options):
        """Runs a command as nobody."""
        return subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], env=self.environment(), check=False, **options)


def replaced(text, pairs):
    """A text with one beginning of addresses in place of another."""
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def relay(indexes, uv):
    """A relay where an index has a login and this Python can run one; else none, and uv is to build nothing."""
    if not any(index["auth"] for index in indexes) or sys.version_info < (3, 9) or os.getuid() != 0:
        return None
    try:
        if any(index["url"].startswith("https:") for index in indexes if index["auth"]):
            import ssl  # noqa: F401
        humble()
        own(CACHE)
        found = Relay(indexes)
        for command in ([uv, "--version"], [sys.executable, "-c", ""]):
            found.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).check_returncode()
        return found
    except (AttributeError, ImportError, OSError, subprocess.SubprocessError) as error:
        print(f"nothing is built for its metadata, since logins cannot be kept from it here: {error}", file=sys.stderr)
        return None


def humble():
    """From here on no program gives whoever runs it more than they have."""
    import ctypes

    if ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError("programs could give more rights")


def own(path):
    """A folder that is nobody's."""
    os.makedirs(path, exist_ok=True)
    os.chown(path, NOBODY, NOBODY)


def own_all(path):
    """The same with what is in it. Nothing may run there yet."""
    own(path)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(os.path.join(folder, name), NOBODY, NOBODY, follow_symlinks=False)


def edit_all(path, edit):
    """Changes the small files of a folder."""
    for folder, _, files in os.walk(path):
        for place in (os.path.join(folder, name) for name in files):
            if os.path.islink(place) or not os.path.isfile(place) or os.path.getsize(place) > SMALL:
                continue
            with open(place, "r", encoding="utf-8", errors="surrogateescape", newline="") as file:
                before = file.read()
            after = edit(before)
            if after != before:
                with open(place, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    file.write(after)


def folder_of_nobody(path, files):
    """A new folder for what nobody writes, with files; opened, so that it is the one whatever becomes of its name."""
    shutil.rmtree(path, ignore_errors=True)
    own(path)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    for name, text in files.items():
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), NOBODY, NOBODY)
            file.write(text)
    return folder


def taken(folder, name):
    """A file's text out of such a folder: a plain file of nobody's, not a way to something else."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with open(descriptor, encoding="utf-8") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_uid != NOBODY:
            raise OSError(f"{name} is no file of uv's")
        return file.read()


def server(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def listen(name, owner):
    """Listens for a server; on the same port each time where that is free, since uv's cache goes by addresses."""
    first = int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(PORTS)
    handler = type("Handler", (Handler,), {"server_name": name, "relay": owner})
    for turn in range(100):
        try:
            return Server(("127.0.0.1", PORTS[(first + turn) % len(PORTS)]), handler)
        except OSError as error:
            taken_port = error
    raise taken_port


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Who hangs up is no news."""


class AsIs(urllib.request.HTTPErrorProcessor):
    """Hands on every answer, also those that redirect."""

    def http_response(self, request, response):
        return response

    https_response = http_response


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay = None
    server_name = ""

    def do_GET(self):
        if not self.relay.is_read(self.server_name + self.path):
            return self.send(403, [("Content-Type", "text/plain")], b"only pages of the index and packages are given\n")
        try:
            answer = self.ask()
        except (OSError, http.client.HTTPException) as error:
            trouble = f"{self.server_name}: {getattr(error, 'reason', error)}"
            self.relay.troubles[trouble] = True
            return self.send(502, [("Content-Type", "text/plain")], f"{trouble}\n".encode())
        with answer:
            headers = [(name, answer.headers[name]) for name in ANSWERED if answer.headers[name]]
            target = answer.headers["Location"]
            if target:
                target = urllib.parse.urljoin(self.server_name + self.path, target)
                headers.append(("Location", self.relay.through(target)))
            kind = answer.headers.get_content_type()
            if self.command == "GET" and (kind == "text/html" or kind.endswith("json")):
                text = answer.read().decode("utf-8", "surrogateescape")
                self.send(answer.status, headers, self.relay.through(text).encode("utf-8", "surrogateescape"))
            else:
                self.stream(answer, headers)

    do_HEAD = do_GET

    def ask(self):
        url = self.server_name + self.path
        headers = {name: self.headers[name] for name in ASKED if self.headers[name]}
        request = urllib.request.Request(url, headers=dict(headers, Authorization=self.relay.login(url)), method=self.command)
        return urllib.request.build_opener(AsIs).open(request, timeout=60)

    def send(self, status, headers, body):
        self.begin(status, headers + [("Content-Length", str(len(body)))])
        self.wfile.write(body)

    def stream(self, answer, headers):
        length = answer.headers["Content-Length"]
        if length:
            headers.append(("Content-Length", length))
        elif answer.status not in (204, 304):
            headers.append(("Connection", "close"))
            self.close_connection = True
        self.begin(answer.status, headers)
        # Where what was promised does not come, whoever waits for it has to see that.
        last, self.close_connection = self.close_connection, True
        shutil.copyfileobj(answer, self.wfile, 1 << 18)
        self.close_connection = last or answer.length not in (0, None)

    def begin(self, status, headers):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        """Silent."""
