"""The way past routing and parameters for the questions that are asked most: plain ones, with nothing but an id.

FastAPI's matching and solving take longer than such an answer does. Whatever is not plain, or fails, goes the usual
way; both ways end in the same functions.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.store import StoreError
from serving.access.addresses import is_readable
from serving.access.guard import Door
from serving.cutoffs import Calls
from serving.desk import Desk
from serving.routes.titles import sentiment
from serving.routes.users import churn, recommendations, segment
from serving.routes.wishes import PLAIN
from serving.rules.wish import WishError

Ask = Callable[[str, Desk], Awaitable[Response]]
_QUESTIONS: dict[tuple[str, str], tuple[str, Ask]] = {
    ("users", "recommendations"): ("/v1/users/{user_id}/recommendations", partial(recommendations, wish=PLAIN)),
    ("users", "segment"): ("/v1/users/{user_id}/segment", segment),
    ("users", "churn"): ("/v1/users/{user_id}/churn", partial(churn, calls=Calls())),
    ("titles", "sentiment"): ("/v1/titles/{title_id}/sentiment", sentiment),
}
_PLAIN = re.compile(r"/v1/(users|titles)/(.{1,128})/(recommendations|segment|churn|sentiment)")
# What makes a question more than plain: what is known already, and pages of other sites.
_MORE = frozenset((b"if-none-match", b"origin"))


class Found:
    """What the metrics read of a route."""

    def __init__(self, path_format: str) -> None:
        self.path_format = path_format


class Plain:
    """The plain questions, and their answers."""

    def __init__(self, desk: Desk, door: Door) -> None:
        self._desk, self._door = desk, door
        self._routes = {question: Found(path) for question, (path, _) in _QUESTIONS.items()}

    def asked(self, scope: Scope) -> Awaitable[Response | None] | None:
        """The answer to somebody at the door, timed; None, at once or in the end, for what goes the usual way."""
        answering = self.answering(scope)
        if answering is None or not is_readable(scope["raw_path"]) or self._door.refusal(scope):
            return None
        return self._timed(scope, *answering)

    def answering(self, scope: Scope) -> tuple[Found, Ask, str] | None:
        """A plain question's route, who answers it, and about whom; None for any other."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            return None
        plain = _PLAIN.fullmatch(scope["path"])
        question = plain and (plain[1], plain[3])
        if not plain or question not in _QUESTIONS or any(name in _MORE for name, _ in scope["headers"]):
            return None
        return self._routes[question], _QUESTIONS[question][1], plain[2]

    async def answer(self, scope: Scope, route: Found, ask: Ask, about: str) -> Response | None:
        """The answer; None where the usual way has to tell a fault."""
        try:
            answer = await ask(about, self._desk)
        except (StoreError, WishError):
            return None
        scope["route"] = route
        return answer

    async def _timed(self, scope: Scope, route: Found, ask: Ask, about: str) -> Response | None:
        started = time.perf_counter()
        answer = await self.answer(scope, route, ask, about)
        if answer:
            self._desk.metrics.observe(route.path_format, time.perf_counter() - started)
        return answer


class Direct:
    """ASGI middleware that answers plain questions itself, for servers that cannot be told to ask them first."""

    def __init__(self, app: ASGIApp, plain: Plain) -> None:
        self._app, self._plain = app, plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        answering = self._plain.answering(scope)
        answer = await self._plain.answer(scope, *answering) if answering else None
        await (answer or self._app)(scope, receive, send)
