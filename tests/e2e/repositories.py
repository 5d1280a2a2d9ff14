"""Serves the git repositories of a folder over HTTP to those who have the token: repositories.py FOLDER TOKEN.

Prints its port, then a line for each request: status and path.
"""
import base64
import http.server
import os
import subprocess
import sys


class Repositories(http.server.BaseHTTPRequestHandler):
    folder = token = ""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        expected = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        scheme, _, word = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or word != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            print(f"401 {path}\n", end="", flush=True)
            return
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": self.folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value[:3]) for name, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        print(f"{status} {path}\n", end="", flush=True)

    do_POST = do_GET

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Repositories.folder, Repositories.token = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repositories)
    print(server.server_address[1], flush=True)
    server.serve_forever()
