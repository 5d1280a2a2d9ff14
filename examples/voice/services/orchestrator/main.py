"""Decides what to do with what was said, and asks the other services for it."""

import os

import httpx
from langchain.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel
from rapidfuzz import fuzz

from services.common.app import create_app, serve

PROMPT = ChatPromptTemplate.from_messages(
    [
        ("system", "You are {name}, a voice assistant. Answer in at most {words} words."),
        ("human", "{transcript}"),
    ]
)


class Turn(BaseModel):
    """What somebody said, and to whom."""

    transcript: str
    name: str = "Atlas"


def prompt(turn: Turn) -> list[dict]:
    """The messages for a language model."""
    messages = PROMPT.format_messages(name=turn.name, words=40, transcript=turn.transcript)
    return [{"role": message.type, "content": message.content} for message in messages]


def _langchain_has_messages() -> str:
    return HumanMessage("hello").type


def _langchain_core_fills_templates() -> str:
    filled = prompt(Turn(transcript="what is the time"))
    assert filled[-1] == {"role": "human", "content": "what is the time"}, filled
    return filled[0]["content"]


def _rapidfuzz_compares() -> float:
    ratio = fuzz.ratio("turn the light on", "turn the lights on")
    assert 90 < ratio < 100
    return round(ratio, 1)


def _httpx_builds() -> str:
    return str(httpx.Request("GET", "http://flan/intent", params={"q": "a b"}).url)


app = create_app(
    "orchestrator",
    {
        "langchain": _langchain_has_messages,
        "langchain-core": _langchain_core_fills_templates,
        "rapidfuzz": _rapidfuzz_compares,
        "httpx": _httpx_builds,
    },
)


@app.post("/turn")
async def take_turn(turn: Turn) -> dict:
    """The prompt for one turn, with the intent when FLAN_URL names the service that knows it."""
    answer: dict = {"messages": prompt(turn)}
    if flan := os.environ.get("FLAN_URL"):
        async with httpx.AsyncClient(base_url=flan, timeout=5) as client:
            reply = await client.post("/intent", json={"text": turn.transcript})
            answer |= reply.raise_for_status().json()
    return answer


if __name__ == "__main__":
    serve(app, default_port=8000)
