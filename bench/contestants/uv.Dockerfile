# uv with a cache mount, as its guide for Docker advises: uv mounted and not installed, files copied out of the cache,
# a lock with addresses and hashes, code last and linked. uv stands on an image of its own, so that a patched base
# does not fetch it again.
ARG BASE=python:3.11-slim
ARG TOOLS=python:3.11-slim

FROM ${TOOLS} AS uv
ARG UV_VERSION
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /uv && pip --python /uv/bin/python install --no-compile uv==${UV_VERSION}

FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --no-create-home --shell /usr/sbin/nologin app
WORKDIR /app
ENV UV_LINK_MODE=copy
RUN --mount=type=cache,target=/root/.cache/uv \
    --mount=from=uv,source=/uv/bin/uv,target=/usr/local/bin/uv \
    --mount=type=bind,source=pylock.toml,target=/tmp/pylock.toml \
    uv venv --quiet /opt/venv \
 && uv pip sync --quiet --system-certs --python /opt/venv/bin/python /tmp/pylock.toml
COPY --link ml /app/ml
USER app
EXPOSE 8000
CMD ["uvicorn", "ml.main:app", "--host", "0.0.0.0", "--port", "8000"]
