"""Asks a build backend for a wheel, as PEP 517 has it, in an environment that was made before.

hook.py requires FILE         prints what FILE, a pyproject.toml, wants for its build
hook.py wheel FOLDER OPTION…  builds the package in the working directory; of the options --config-setting counts

Ends with 75 where it cannot be done like this and uv has to: Python cannot read the file, or the backend wants more.
"""
import importlib
import os
import sys

NOT_LIKE_THIS = 75


def build_system(path):
    try:
        import tomllib
    except ImportError:
        sys.exit(NOT_LIKE_THIS)
    try:
        with open(path, "rb") as file:
            return tomllib.load(file).get("build-system", {})
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        sys.exit(NOT_LIKE_THIS)


def requires(path):
    for line in build_system(path).get("requires", ["setuptools>=40.8.0"]):
        print(line)


def wheel(folder, *options):
    system = build_system("pyproject.toml")
    sys.path[:0] = [os.path.abspath(path) for path in system.get("backend-path", [])]
    module, _, attributes = system.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    backend = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        backend = getattr(backend, name)
    chosen = settings(options)
    more = getattr(backend, "get_requires_for_build_wheel", lambda settings: [])(chosen)
    if more:
        sys.exit(NOT_LIKE_THIS)
    os.makedirs(folder, exist_ok=True)
    backend.build_wheel(folder, chosen)


def settings(options):
    """A setting that is given several times is a list, as with pip."""
    chosen = {}
    for option, value in zip(options[::2], options[1::2]):
        if option != "--config-setting":
            continue
        name, _, value = value.partition("=")
        known = chosen.get(name)
        if known is None:
            chosen[name] = value
        else:
            chosen[name] = (known if isinstance(known, list) else [known]) + [value]
    return chosen or None


if __name__ == "__main__":
    {"requires": requires, "wheel": wheel}[sys.argv[1]](*sys.argv[2:])
