"""The way past routing and parameters for the questions that are asked most: plain ones, with nothing but an id.

FastAPI's matching and solving take longer than such an answer does. Whatever is not plain, or fails, goes the usual
way; both ways end in the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lambda_arch.store import StoreError
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


class Found:
    """What the metrics read of a route."""

    def __init__(self, path_format: str) -> None:
        self.path_format = path_format


class Direct:
    """ASGI middleware that answers plain questions itself."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk
        self._routes = {question: Found(path) for question, (path, _) in _QUESTIONS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        answer = await self._answer(scope) if _may_be_plain(scope) else None
        await (answer or self._app)(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        plain = _PLAIN.fullmatch(scope["path"])
        question = plain and (plain[1], plain[3])
        if not plain or question not in _QUESTIONS:
            return None
        try:
            answer = await _QUESTIONS[question][1](plain[2], self._desk)
        except (StoreError, WishError):  # told by the usual way
            return None
        scope["route"] = self._routes[question]
        return answer


def _may_be_plain(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return False
    return all(name != b"if-none-match" for name, _ in scope["headers"])
