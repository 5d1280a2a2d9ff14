"""Finds speech in recordings and computes the features a recogniser would take."""

import numpy as np
import scipy.fft
import scipy.signal
from fastapi import Request

from services.common import linear_model
from services.common.app import create_app, serve
from services.common.speech import FRAME_BYTES, RATE, frames, silence_is_not_speech, voiced

BANDS = 8
SAMPLES = FRAME_BYTES // 2
BINS = SAMPLES // 2 + 1


def _band_weights() -> np.ndarray:
    """Sums neighbouring frequencies into bands of equal width."""
    weights = np.zeros((BINS, BANDS), dtype=np.float32)
    for band, bins in enumerate(np.array_split(np.arange(BINS), BANDS)):
        weights[bins, band] = 1.0 / len(bins)
    return weights


MODEL = linear_model.session(_band_weights())


def features(pcm: bytes) -> np.ndarray:
    """One row of band energies for each frame."""
    rows = [np.frombuffer(frame, dtype="<i2") / 32768.0 for frame in frames(pcm)]
    if not rows:
        return np.zeros((0, BANDS), dtype=np.float32)
    spectra = np.abs(scipy.fft.rfft(np.array(rows) * scipy.signal.get_window("hann", SAMPLES)))
    return linear_model.run(MODEL, spectra)


def _tone(hertz: float) -> bytes:
    seconds = np.arange(SAMPLES) / RATE
    return (np.sin(2 * np.pi * hertz * seconds) * 20_000).astype("<i2").tobytes()


def _numpy_dots() -> float:
    product = float(np.dot([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]))
    assert product == 32.0
    return product


def _scipy_hears_a_tone() -> str:
    bands = [int(features(_tone(hertz))[0].argmax()) for hertz in (500, 7500)]
    assert bands == [0, BANDS - 1], bands
    return f"500 Hz and 7500 Hz are loudest in bands {bands}"


app = create_app(
    "stt",
    {
        "numpy": _numpy_dots,
        "scipy": _scipy_hears_a_tone,
        "onnxruntime": linear_model.onnxruntime_multiplies,
        "webrtcvad": silence_is_not_speech,
    },
)


@app.post("/features")
async def speech_features(request: Request) -> dict:
    """Band energies of the frames of a PCM recording, and which of them hold speech."""
    pcm = await request.body()
    return {"voiced": voiced(pcm), "bands": features(pcm).round(4).tolist()}


if __name__ == "__main__":
    serve(app, default_port=9000)
