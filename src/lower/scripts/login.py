"""The login that a secret holds, in each of the forms that a manifest names. What is wrong with it is said without it."""
import base64
import json
import netrc
import sys
import urllib.parse


def login(auth, url, what):
    """User and password for an address; `auth` says where the secret is and in which form."""
    host = urllib.parse.urlsplit(url).hostname
    with open(auth["file"], encoding="utf-8") as file:
        text = file.read().strip()
    try:
        if auth["kind"] == "netrc":
            return from_netrc(auth["file"], host)
        if auth["kind"] == "docker_config":
            return from_docker_config(json.loads(text), url, host)
        if auth["kind"] == "header":
            return basic(text)
        if auth["username"]:
            return auth["username"], text
        user, colon, password = text.partition(":")
        return (user, password) if colon else ("__token__", text)
    except (ValueError, LookupError, TypeError, netrc.NetrcParseError):
        sys.exit(f"the secret of {what} holds no login for {host} ({auth['kind']})")


def header(auth, url, what):
    """The Authorization header for an address."""
    if auth["kind"] == "header":
        with open(auth["file"], encoding="utf-8") as file:
            return file.read().strip()
    user, password = login(auth, url, what)
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def from_netrc(path, host):
    user, _, password = netrc.netrc(path).authenticators(host)
    return user, password


def from_docker_config(config, url, host):
    server = urllib.parse.urlsplit(url).netloc
    names = [url, f"https://{server}", server, f"https://{host}", host]
    found = [config["auths"][name] for name in names if name in config["auths"]]
    return basic("Basic " + found[0]["auth"])


def basic(text):
    scheme, value = text.split(None, 1)
    if scheme.lower() != "basic":
        raise ValueError(scheme)
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password
