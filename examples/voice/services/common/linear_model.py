"""A linear layer as an ONNX model, written by hand: no model has to be downloaded and no package writes one.

An ONNX file is one protobuf message. Only what a single MatMul needs is written; the numbers are the field
numbers of onnx.proto.
"""

import numpy as np
import onnxruntime

FLOAT = 1  # TensorProto.DataType


def build(weights: np.ndarray) -> bytes:
    """The model `y = x @ weights` for rows of any number."""
    rows, columns = weights.shape
    node = _field(1, b"x") + _field(1, b"w") + _field(2, b"y") + _field(4, b"MatMul")
    tensor = (
        _number(1, rows) + _number(1, columns) + _number(2, FLOAT)
        + _field(8, b"w") + _field(9, weights.astype("<f4").tobytes())
    )
    graph = (
        _field(1, node) + _field(2, b"linear") + _field(5, tensor)
        + _field(11, _value(b"x", rows)) + _field(12, _value(b"y", columns))
    )
    opset = _field(1, b"") + _number(2, 13)
    return _number(1, 8) + _field(7, graph) + _field(8, opset)


def session(weights: np.ndarray) -> onnxruntime.InferenceSession:
    """The model, ready to run on the CPU."""
    return onnxruntime.InferenceSession(build(weights), providers=["CPUExecutionProvider"])


def run(model: onnxruntime.InferenceSession, rows: np.ndarray) -> np.ndarray:
    """What the model makes of the rows."""
    return model.run(["y"], {"x": rows.astype(np.float32)})[0]


def onnxruntime_multiplies() -> str:
    """The health check of onnxruntime: its product is NumPy's."""
    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    rows = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
    found = run(session(weights), rows)
    assert np.allclose(found, rows @ weights), found
    return f"y = {found.tolist()}"


def _value(name: bytes, width: int) -> bytes:
    """A ValueInfoProto: a float matrix with `n` rows."""
    shape = _field(1, _field(2, b"n")) + _field(1, _number(1, width))
    return _field(1, name) + _field(2, _field(1, _number(1, FLOAT) + _field(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
