"""Where in a recording somebody speaks. Sound is 16-bit mono PCM, little-endian, at 16 kHz."""

from collections.abc import Iterator

import webrtcvad

RATE = 16_000
FRAME_MS = 30
FRAME_BYTES = RATE * FRAME_MS // 1000 * 2


def frames(pcm: bytes) -> Iterator[bytes]:
    """Whole frames; a rest that fills none is left out."""
    for start in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES):
        yield pcm[start : start + FRAME_BYTES]


def voiced(pcm: bytes, aggressiveness: int = 2) -> list[bool]:
    """For each frame, whether it holds speech."""
    vad = webrtcvad.Vad(aggressiveness)
    return [vad.is_speech(frame, RATE) for frame in frames(pcm)]


def silence_is_not_speech() -> str:
    """The health check of webrtcvad."""
    heard = voiced(bytes(FRAME_BYTES * 3))
    assert heard == [False, False, False], heard
    return "silence is not speech"
