# pip with a cache mount. One stage, because nothing is compiled; code last and linked, so that it is its own layer.
ARG BASE=python:3.11-slim
FROM ${BASE}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --no-create-home --shell /usr/sbin/nologin app
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements.lock,target=/tmp/requirements.lock \
    python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-compile --require-hashes -r /tmp/requirements.lock
COPY --link ml /app/ml
USER app
EXPOSE 8000
CMD ["uvicorn", "ml.main:app", "--host", "0.0.0.0", "--port", "8000"]
