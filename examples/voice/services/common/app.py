"""A FastAPI application with tracing and an honest /health."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from services.common.telemetry import trace

Check = Callable[[], object]
"""Uses a library for something small and true; raises when that does not work."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""What runs beside the application, from its start to its end."""

SHARED = ("fastapi", "uvicorn", "pydantic", "opentelemetry-sdk")


def create_app(service: str, checks: Mapping[str, Check], lifespan: Lifespan | None = None) -> FastAPI:
    """An application whose /health does every check; `checks` is keyed by the distribution that it uses."""
    app = FastAPI(title=service, lifespan=lifespan)
    tracer = trace(service, app)
    versions = {name: version(name) for name in sorted({*SHARED, *checks})}

    @app.get("/health")
    def health() -> JSONResponse:
        results: dict[str, object] = {}
        healthy = True
        with tracer.start_as_current_span("health") as span:
            results["opentelemetry-sdk"] = span.get_span_context().is_valid
            for name, check in checks.items():
                try:
                    results[name] = check()
                except Exception as error:  # a broken library must be reported, not end the report
                    results[name] = f"{type(error).__name__}: {error}"
                    healthy = False
        status = "ok" if healthy else "broken"
        body = {"service": service, "status": status, "versions": versions, "checks": results}
        return JSONResponse(body, status_code=200 if healthy else 503)

    return app


def serve(app: FastAPI, default_port: int) -> None:
    """Serves on PORT, which the image sets and whoever runs it may override."""
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ.get("PORT", default_port)))
