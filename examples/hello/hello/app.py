"""Says hello."""

from importlib.metadata import version

from fastapi import FastAPI

app = FastAPI(title="hello")


@app.get("/health")
def health() -> dict:
    """That the service runs, and on which version of the framework."""
    return {"service": "hello", "status": "ok", "versions": {"fastapi": version("fastapi")}}


@app.get("/")
def hello(name: str = "world") -> dict:
    """A greeting."""
    return {"hello": name}
