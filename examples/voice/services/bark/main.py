"""Makes sound: one tone for each word, its pitch from the word's length. A stand-in for a speech model."""

import io

import numpy as np
import scipy.fft
import scipy.io.wavfile
from fastapi import Response
from pydantic import BaseModel

from services.common.app import create_app, serve

RATE = 16_000
WORD_SECONDS = 0.2


class Line(BaseModel):
    """What to say."""

    text: str


def speak(text: str) -> np.ndarray:
    """16-bit samples at 16 kHz."""
    seconds = np.arange(int(RATE * WORD_SECONDS)) / RATE
    fade = np.hanning(len(seconds))
    tones = [np.sin(2 * np.pi * pitch(word) * seconds) * fade for word in text.split()]
    return (np.concatenate(tones or [np.zeros(0)]) * 20_000).astype(np.int16)


def pitch(word: str) -> float:
    """In hertz; longer words are deeper."""
    return 880.0 / max(1, len(word))


def _numpy_dots() -> float:
    product = float(np.dot([1.0, 2.0], [3.0, 4.0]))
    assert product == 11.0
    return product


def _scipy_finds_the_pitch() -> str:
    samples = speak("ab")
    loudest = np.abs(scipy.fft.rfft(samples)).argmax()
    hertz = float(scipy.fft.rfftfreq(len(samples), 1 / RATE)[loudest])
    assert abs(hertz - pitch("ab")) <= RATE / len(samples), hertz
    return f"`ab` sounds at {hertz:.0f} Hz"


app = create_app("bark", {"numpy": _numpy_dots, "scipy": _scipy_finds_the_pitch})


@app.post("/speak", response_class=Response)
def speak_line(line: Line) -> Response:
    """The line as a WAV file."""
    wav = io.BytesIO()
    scipy.io.wavfile.write(wav, RATE, speak(line.text))
    return Response(wav.getvalue(), media_type="audio/wav")


if __name__ == "__main__":
    serve(app, default_port=7100)
