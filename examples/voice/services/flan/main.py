"""Classifies what was said with a linear model over hashed words. A stand-in for a language model, made at start."""

import hashlib

import numpy as np
from langchain_core.prompts import PromptTemplate
from pydantic import BaseModel

from services.common import linear_model
from services.common.app import create_app, serve

BUCKETS = 256
EXAMPLES = {
    "light": "turn the light lamp on off bright dark",
    "music": "play stop the song music louder quieter",
    "time": "what time is it date day clock alarm",
}
INTENTS = sorted(EXAMPLES)
INSTRUCTION = PromptTemplate.from_template("Say whether this is about {intents}: {text}")


class Utterance(BaseModel):
    """What was said."""

    text: str


def words(text: str) -> np.ndarray:
    """A row with a 1 for each word, at a place that its hash decides."""
    row = np.zeros((1, BUCKETS), dtype=np.float32)
    for word in text.lower().split():
        row[0, int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % BUCKETS] = 1.0
    return row


MODEL = linear_model.session(np.concatenate([words(EXAMPLES[intent]) for intent in INTENTS]).T)


def classify(text: str) -> str:
    """The intent whose examples share most words with the text."""
    return INTENTS[int(linear_model.run(MODEL, words(text))[0].argmax())]


def instruction(text: str) -> str:
    """How a language model would be asked the same."""
    return INSTRUCTION.format(intents=" or ".join(INTENTS), text=text)


def _numpy_dots() -> float:
    product = float(np.dot(words("light"), words("light").T)[0, 0])
    assert product == 1.0
    return product


def _onnxruntime_classifies() -> str:
    intent = classify("please play that song")
    assert intent == "music", intent
    return intent


def _langchain_core_fills_templates() -> str:
    filled = instruction("what time is it")
    assert filled.endswith(": what time is it")
    return filled


app = create_app(
    "flan",
    {
        "numpy": _numpy_dots,
        "onnxruntime": _onnxruntime_classifies,
        "langchain-core": _langchain_core_fills_templates,
    },
)


@app.post("/intent")
def intent(utterance: Utterance) -> dict:
    """What an utterance is about."""
    return {"intent": classify(utterance.text), "prompt": instruction(utterance.text)}


if __name__ == "__main__":
    serve(app, default_port=8100)
