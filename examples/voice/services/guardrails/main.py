"""Judges what may be said, and signs its verdicts so that other services can tell them from anybody's."""

import json

from nacl.encoding import HexEncoder
from nacl.signing import SigningKey
from pydantic import BaseModel
from rapidfuzz import fuzz, process

from services.common.app import create_app, serve

FORBIDDEN = ["credit card number", "home address", "password"]
THRESHOLD = 85
KEY = SigningKey.generate()


class Answer(BaseModel):
    """What is about to be said."""

    text: str


def judge(text: str) -> dict:
    """The verdict, with the topic that was found."""
    topic, score, _ = process.extractOne(text.lower(), FORBIDDEN, scorer=fuzz.partial_ratio)
    return {"allowed": score < THRESHOLD, "topic": topic if score >= THRESHOLD else None}


def sign(verdict: dict) -> str:
    """An Ed25519 signature over the verdict's JSON, in hexadecimal."""
    return KEY.sign(json.dumps(verdict, sort_keys=True).encode(), encoder=HexEncoder).signature.decode()


def _rapidfuzz_judges() -> dict:
    verdict = judge("My passwort is 1234")
    assert verdict == {"allowed": False, "topic": "password"}, verdict
    assert judge("it is noon")["allowed"]
    return verdict


def _nacl_signs() -> str:
    message = json.dumps(judge("hello"), sort_keys=True).encode()
    KEY.verify_key.verify(message, bytes.fromhex(sign(judge("hello"))))
    return "a signature verifies"


app = create_app("guardrails", {"PyNaCl": _nacl_signs, "rapidfuzz": _rapidfuzz_judges})


@app.post("/check")
def check(answer: Answer) -> dict:
    """Whether an answer may be said; the signature is over the verdict's JSON with sorted keys."""
    verdict = judge(answer.text)
    return {"verdict": verdict, "signature": sign(verdict), "key": KEY.verify_key.encode(HexEncoder).decode()}


if __name__ == "__main__":
    serve(app, default_port=9300)
