"""The Discord bot. Without DISCORD_TOKEN only its web side runs, which is what tests and health checks use."""

import asyncio
import os
from contextlib import asynccontextmanager

import discord
import nacl.utils
import numpy as np
import openwakeword
from fastapi import FastAPI, Request
from nacl.public import Box, PrivateKey
from pydantic import BaseModel
from rapidfuzz import fuzz, process

from services.common.app import create_app, serve
from services.common.speech import silence_is_not_speech, voiced

WAKE_PHRASES = ["hey atlas", "ok atlas", "atlas wake up"]


class Transcript(BaseModel):
    """What was heard."""

    text: str


def wake_phrase(text: str) -> tuple[str, float]:
    """The nearest wake phrase and how near it is, up to 100."""
    phrase, score, _ = process.extractOne(text.lower(), WAKE_PHRASES, scorer=fuzz.partial_ratio)
    return phrase, score


def _discord_has_opus() -> str:
    if not discord.opus.is_loaded():
        discord.opus.load_opus("libopus.so.0")
    return f"libopus encodes frames of {discord.opus.Encoder().FRAME_SIZE} bytes"


def _nacl_boxes() -> str:
    ours, theirs = PrivateKey.generate(), PrivateKey.generate()
    sealed = Box(ours, theirs.public_key).encrypt(b"voice", nacl.utils.random(Box.NONCE_SIZE))
    assert Box(theirs, ours.public_key).decrypt(sealed) == b"voice"
    return "a sealed box opens again"


def _numpy_dots() -> float:
    product = float(np.dot([3.0, 4.0], [3.0, 4.0]))
    assert product == 25.0
    return product


def _wake_models() -> list[str]:
    assert "alexa" in openwakeword.MODELS
    return sorted(openwakeword.MODELS)


def _rapidfuzz_finds() -> float:
    phrase, score = wake_phrase("hey atlis")
    assert phrase == "hey atlas" and score > 80
    return score


@asynccontextmanager
async def bot(_: FastAPI):
    """Runs the bot as long as the application runs."""
    token = os.environ.get("DISCORD_TOKEN")
    if not token:
        yield
        return
    client = discord.Client(intents=discord.Intents.default())
    running = asyncio.create_task(client.start(token))
    yield
    await client.close()
    await asyncio.gather(running, return_exceptions=True)


app = create_app(
    "discord",
    {
        "discord.py": _discord_has_opus,
        "PyNaCl": _nacl_boxes,
        "numpy": _numpy_dots,
        "openwakeword": _wake_models,
        "rapidfuzz": _rapidfuzz_finds,
        "webrtcvad": silence_is_not_speech,
    },
    lifespan=bot,
)


@app.post("/wake")
def wake(transcript: Transcript) -> dict:
    """Whether a wake phrase was said."""
    phrase, score = wake_phrase(transcript.text)
    return {"phrase": phrase, "score": score, "awake": score > 80}


@app.post("/frames")
async def frames(request: Request) -> dict:
    """Which 30 ms frames of a PCM recording hold speech."""
    return {"voiced": voiced(await request.body())}


if __name__ == "__main__":
    serve(app, default_port=8001)
