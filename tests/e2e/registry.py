"""A registry in front of another one that is particular about who asks, for tests.

registry.py UPSTREAM LOGIN: passes everything on to UPSTREAM (HOST:PORT). With a login, USER:PASSWORD, whoever has no token is
sent to /token, where tokens are given for what was asked to those who have the login; the first token that comes with a part
of a blob has just run out, and the second part breaks off in its middle: the first half is kept, so that the upload may go on
with the other. Without a login it is read-only. Prints its port, then a line for each token, each refusal, each part that broke
off and each that went on.
"""
import base64
import http.client
import http.server
import itertools
import json
import sys
import urllib.parse

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
HOPS = {"connection", "transfer-encoding", "content-length"}


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = login = ""
    tokens = {}
    parts = itertools.count()
    moved = {}

    def answer(self):
        part = next(self.parts) if self.command == "PATCH" else None
        length = int(self.headers.get("Content-Length", 0))
        if part == 0:
            self.tokens.pop(self.headers.get("Authorization", "").removeprefix("Bearer "), None)
        if part == 1 and self.login:
            answer, _ = self.upstream_answer(self.rfile.read(length // 2))
            place = urllib.parse.urlsplit(answer.getheader("Location"))
            self.moved[self.path] = f"{place.path}?{place.query}"
            print(f"broke off {self.command} {self.path}\n", end="", flush=True)
            self.close_connection = True
            return
        if self.command == "PATCH" and "Content-Range" in self.headers:
            print("went on at", self.headers["Content-Range"], flush=True)
        # Where an upload that broke off is now.
        self.path = self.moved.get(self.path, self.path)
        body = self.rfile.read(length)
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/token":
            self.token(urllib.parse.parse_qs(url.query))
        elif not self.login and self.command in WRITES:
            self.refuse(405, {"errors": [{"code": "UNSUPPORTED", "message": "the registry is read-only"}]})
        elif self.login and not self.may():
            path = "/".join(url.path.split("/")[2:-2])
            scope = f"repository:{path}:pull" + (",push" if self.command in WRITES else "")
            realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="test",scope="{scope}"'
            self.refuse(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who asks?"}]}, realm)
        else:
            self.forward(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def token(self, asked):
        expected = "Basic " + base64.b64encode(self.login.encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.refuse(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
            return
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = asked.get("scope", [])
        print("token for", *self.tokens[token], flush=True)
        self.reply(200, json.dumps({"token": token, "expires_in": 3600}).encode(), {"Content-Type": "application/json"})

    def may(self):
        """Whether the token that came is one for this."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        action = "push" if self.command in WRITES else "pull"
        granted = (scope.split(":") for scope in self.tokens.get(token, []))
        return any(self.path.startswith(f"/v2/{path}/") and action in actions.split(",") for _, path, actions in granted)

    def refuse(self, status, words, realm=None):
        print(f"{status} {self.command} {self.path}\n", end="", flush=True)
        self.reply(status, json.dumps(words).encode(), {"WWW-Authenticate": realm} if realm else {})

    def forward(self, body):
        answer, content = self.upstream_answer(body)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOPS}
        self.reply(answer.status, content, headers, length)

    def upstream_answer(self, body):
        connection = http.client.HTTPConnection(self.upstream)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOPS | {"authorization"}}
        if self.command in WRITES:
            headers["Content-Length"] = str(len(body))
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    def reply(self, status, body, headers, length=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Registry.upstream, Registry.login = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    print(server.server_address[1], flush=True)
    server.serve_forever()
