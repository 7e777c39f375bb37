"""A method for each question."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, cast
from urllib.parse import quote, urlencode

from audience_client.answers import Answer, Churn, Predictions, Recommendations, Segment, Sentiment, Session
from audience_client.connections import Connections, Question, UnreachableError
from audience_client.explanations import Layers, TitleExplanation, UserExplanation
from audience_client.lists import AtRisk, AtRiskPage, Curve, Heading, Member, Segments, Similar, Trending
from audience_client.operations import (
    Agreement,
    Agreements,
    Experiments,
    Fidelity,
    Generation,
    HitRates,
    Intake,
    Quarantine,
    Rollback,
)
from audience_client.rows import Rows
from audience_client.wishes import Calls, Event, LikeWish, Post, RiskWish, Watched, Wish


class AudienceClient:
    """Asks the API at a URL, with a key where it wants one; threads may share it, and its end closes connections.

    A problem is an ApiError, no answer an UnreachableError. `timeout` and `patience` are in seconds: of each wait for
    the network, and of all attempts where the service says when to come back (503 with Retry-After). What is left out
    of a question is as docs/api.md has it.
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 10.0, patience: float = 15.0) -> None:
        headers = {"Accept": "application/json", "User-Agent": "audience-client"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._connections = Connections(url, headers, timeout, patience)

    def __enter__(self) -> AudienceClient:
        """This client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    # About a viewer

    def recommendations(self, user_id: str, **wish: Unpack[Wish]) -> Answer[Recommendations]:
        """What goes to the top of this viewer's watchlist."""
        return cast(Answer[Recommendations], self._get("users", user_id, "recommendations", **wish))

    def session_recommendations(self, titles: Sequence[str | Watched], **wish: Unpack[Wish]) -> Session:
        """The same for somebody without an id, by the titles of a session, the newest first."""
        return cast(Session, self._post("sessions/recommendations", {"titles": titles, **wish}))

    def segment(self, user_id: str) -> Answer[Segment]:
        """Which segment this viewer belongs to."""
        return cast(Answer[Segment], self._get("users", user_id, "segment"))

    def churn(self, user_id: str, **calls: Unpack[Calls]) -> Answer[Churn]:
        """How likely this viewer is to cancel, and whether to call."""
        return cast(Answer[Churn], self._get("users", user_id, "churn", **calls))

    def layers(self, user_id: str) -> Layers:
        """What each layer has stored for this viewer, and what is answered."""
        return cast(Layers, self._get("users", user_id, "layers"))

    def explain_user(self, user_id: str, *, n: int = 10, text: str | None = None) -> UserExplanation:
        """Why this viewer's answers are what they are; of `n` titles, and of the words of a text."""
        return cast(UserExplanation, self._get("users", user_id, "explain", n=n, text=text))

    # About a title

    def similar(self, title_id: str, **wish: Unpack[LikeWish]) -> Similar:
        """Titles like this one, and those that its viewers saw too."""
        return cast(Similar, self._get("titles", title_id, "similar", **wish))

    def sentiment(self, title_id: str) -> Answer[Sentiment]:
        """What the audience feels about this title."""
        return cast(Answer[Sentiment], self._get("titles", title_id, "sentiment"))

    def explain_title(self, title_id: str, *, text: str | None = None) -> TitleExplanation:
        """Why the feeling about this title is what it is."""
        return cast(TitleExplanation, self._get("titles", title_id, "explain", text=text))

    # About many

    def predictions(
        self,
        users: Sequence[str] = (),
        titles: Sequence[str] = (),
        *,
        use_cases: Sequence[Literal["recommend", "segment", "churn"]] = ("recommend", "segment", "churn"),
        n: int = 10,
    ) -> Predictions:
        """Answers about up to 1,000 users and titles; `n` titles are recommended to each user."""
        asked = {"users": users, "titles": titles, "use_cases": use_cases, "n": n}
        return cast(Predictions, self._post("predictions", asked))

    def segments(self) -> Segments:
        """Which segments there are."""
        return cast(Segments, self._get("segments"))

    def members(self, segment: int) -> Rows[Member]:
        """Everybody who is in a segment, however many."""
        return Rows(*self._connections.open(_get("segments", segment, "members", format="jsonl")))

    def at_risk(self, **wish: Unpack[RiskWish]) -> AtRiskPage:
        """A page of those about to leave, the likeliest first."""
        return cast(AtRiskPage, self._get("churn", "at-risk", format="json", **wish))

    def all_at_risk(self, *, segment: int | None = None, **calls: Unpack[Calls]) -> Rows[AtRisk]:
        """Everybody about to leave, however many, in the order of the night."""
        return Rows(*self._connections.open(_get("churn", "at-risk", format="jsonl", segment=segment, **calls)))

    def churn_curve(self, *, false_positive: float | None = None, false_negative: float | None = None) -> Curve:
        """Precision, recall and cost by cutoff, at the costs of the configuration or at those given."""
        costs = {"false_positive": false_positive, "false_negative": false_negative}
        return cast(Curve, self._get("churn", "curve", **costs))

    def trending(self, *, n: int = 20, hours: float = 24, direction: Heading | None = None) -> Trending:
        """Titles that are talked about more or less than usual for themselves."""
        return cast(Trending, self._get("trending", n=n, hours=hours, direction=direction))

    # Handing in

    def post_events(self, events: Sequence[Event], *, partial: bool = False) -> Intake:
        """Hand in up to 1,000 events; repeated where the service asks for it, since an id that is known counts once."""
        return cast(Intake, self._post("events", events, partial=partial))

    def post_posts(self, posts: Sequence[Post], *, partial: bool = False) -> Intake:
        """Hand in up to 1,000 posts, in the same way."""
        return cast(Intake, self._post("posts", posts, partial=partial))

    # For operators

    def generations(self) -> list[Generation]:
        """The generations whose nights the store remembers, the newest first."""
        return cast(list[Generation], self._get("generations"))

    def generation(self, number: int) -> dict[str, Any]:
        """What the night that made a generation reported."""
        return cast(dict[str, Any], self._get("generations", number))

    def roll_back(self, *, to: int | None = None) -> Rollback:
        """Make the previous generation current again; never repeated by itself."""
        question = Question("POST", "/v1/generations/rollback" + _query({"to": to}), b"", repeatable=False)
        return cast(Rollback, self._json(question))

    def fidelity(self) -> Fidelity:
        """How good each layer's answer was by lag, in the generation in service."""
        return cast(Fidelity, self._get("fidelity"))

    def quarantine(self, *, look: int = 1000, reason: str | None = None, samples: int = 10) -> Quarantine:
        """The newest rejected records: counts by reason, and samples."""
        return cast(Quarantine, self._get("quarantine", look=look, reason=reason, samples=samples))

    def agreements(self, *, n: int = 30) -> Agreements:
        """How far both layers' answers agreed, night by night, the newest first."""
        return cast(Agreements, self._get("agreement", n=n))

    def agreement(self, generation: int) -> Agreement:
        """The same of one generation."""
        return cast(Agreement, self._get("agreement", generation))

    def experiments(self) -> Experiments:
        """The configured experiments and their newest reports."""
        return cast(Experiments, self._get("experiments"))

    def hit_rates(self) -> HitRates:
        """How often what was served was then watched, as that was last reported."""
        return cast(HitRates, self._get("hit-rate"))

    def _get(self, *parts: str | int, **query: Any) -> Any:
        return self._json(_get(*parts, **query))

    def _post(self, path: str, body: Any, **query: Any) -> Any:
        encoded = json.dumps(body, allow_nan=False).encode()
        return self._json(Question("POST", f"/v1/{path}{_query(query)}", encoded))

    def _json(self, question: Question) -> Any:
        body = self._connections.ask(question)
        try:
            return json.loads(body)
        except ValueError:
            raise UnreachableError(f"{question.method} {question.target}: {len(body)} bytes of no JSON") from None


def _get(*parts: str | int, **query: Any) -> Question:
    """A question of an address below /v1; an id may hold any character."""
    return Question("GET", "/v1/" + "/".join(quote(str(part), safe="") for part in parts) + _query(query))


def _query(given: Mapping[str, Any]) -> str:
    told = {name: _told(value) for name, value in given.items() if value is not None}
    return f"?{urlencode(told, doseq=True)}" if told else ""


def _told(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
