"""The usual way of serving what is in Redis: FastAPI and redis-py, two HGETALL for each request, the same choice.

For a session one dense solve in numpy and a sort of all titles. A server of its own: `python -m benchmarks.usual_api
STORE_URL PORT`. Nothing is added to an answer but its names, and what cannot be read is its end.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import redis.asyncio
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from lambda_arch.fidelity import FidelityTable
from lambda_arch.keys import Generations, generation_key, speed_key
from lambda_arch.policies import Policy
from lambda_arch.records import decode
from lambda_arch.store import Store
from serving.arbiter import Candidates, Context, arbitrate

POLICY = Policy(rule="fidelity", margin_errors=1.0, batch_hours=72, speed_hours=720)


def app(url: str) -> FastAPI:
    """The server, with generation, models and clock read once."""
    store = Store(url, 1)
    generations, now = store.generations(), store.event_now()
    models, fidelity = store.models(generations.current), store.fidelity(generations.current)
    client: Any = redis.asyncio.Redis.from_url(url)
    api = FastAPI()

    @api.get("/v1/users/{user_id}/recommendations")
    async def recommendations(user_id: str, n: int = 10) -> dict[str, Any]:
        batch = await client.hgetall(generation_key(f"u:{user_id}", generations.current))
        speed = await client.hgetall(speed_key(f"u:{user_id}"))
        return chosen(batch, speed, context(generations, fidelity, now), models, n)

    @api.post("/v1/sessions/recommendations")
    async def session(asked: Session) -> dict[str, Any]:
        return solved(models, asked.titles, asked.n)

    return api


def solved(models: Any, titles: list[str], n: int) -> dict[str, Any]:
    """The best titles of a session by one dense solve."""
    model = models.recommend
    held = [model.row[title] for title in dict.fromkeys(titles)]
    own = model.factors[held].astype(np.float64)
    confidence = model.fold_in.alpha * model.fold_in.recency(len(held))
    system = model.regular(len(held)) + own.T @ (confidence[:, None] * own)
    scores = model.factors @ np.linalg.solve(system, own.T @ (1 + confidence))
    scores[held] = -np.inf
    best = np.argsort(-scores)[:n]
    return {"items": [{"title_id": model.titles[row], "score": float(scores[row])} for row in best]}


class Session(BaseModel):
    """What is asked for somebody without an id."""

    titles: list[str]
    n: int = 10


def context(generations: Generations, fidelity: FidelityTable | None, now: int) -> Context:
    """What the choice depends on."""
    return Context(use_case="recommend", generations=generations, fidelity=fidelity, now=now, policy=POLICY)


def chosen(
    batch: dict[bytes, bytes], speed: dict[bytes, bytes], context: Context, models: Any, n: int
) -> dict[str, Any]:
    """The record of the layer that answers, as JSON has it, with the titles' names."""
    both = [decode(found[b"recommend"]) if b"recommend" in found else None for found in (batch, speed)]
    decision = arbitrate(Candidates(*both), context)
    answer: dict[str, Any] = json.loads((batch if decision.layer == "batch" else speed)[b"recommend"])
    best = zip(answer["value"]["titles"][:n], answer["value"]["scores"], strict=False)
    items = [{"title_id": title, "name": models.name(title), "score": score} for title, score in best]
    return answer | {"value": {"items": items}, "decision": {"layer": decision.layer, "rule": decision.rule}}


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), port=int(sys.argv[2]), access_log=False)
