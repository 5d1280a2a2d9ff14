"""Multiplies. What counts here are the wheels around it."""

from importlib.metadata import distributions

import numpy as np
import onnxruntime
import scipy
from fastapi import FastAPI

app = FastAPI(title="ml")


@app.get("/health")
def health() -> dict:
    """That the heavy libraries load and compute."""
    product = float(np.dot([3.0, 4.0], [3.0, 4.0]))
    return {
        "service": "ml",
        "status": "ok" if product == 25.0 else "broken",
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "onnxruntime": onnxruntime.__version__},
        "distributions": len(list(distributions())),
    }
