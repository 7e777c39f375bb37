"""The store's keys, and the pointer that says which generation is current.

The public contract; any client may read the records as JSON. `la:{u:ID}:g:N` and `la:{t:ID}:g:N`: what generation N
says of a user or title; `la:{u:ID}:s`, `la:{t:ID}:s`: what the speed layer says; `la:gen`: the pointer; `la:numbers`:
the horizon of each generation's number; `la:model:N`, `la:fidelity:N`, `la:report:N`, `la:agreement:N`;
`la:audience:N` and `la:audience:N:LIST:I`: a generation's lists of users, in pieces; `la:said:USE_CASE:K`: users by
what the speed layer says of them; `la:clock`; `la:night`: the night that runs; `la:rescored`: which partitions were
scored anew in which epoch; `la:trending`: titles that rise or fall; `la:new`, `la:{t:ID}:v`: titles that came up
since the night, and who saw each; `la:{u:ID}:x`: how often a user was shown what; `la:scorer:ID`, `la:query:NAME`:
how a scorer, or a query of the speed layer, stands; `la:living`: the keys of those that live, by when they told of
themselves last; `la:experiments`: the newest reports of experiments; `la:hit-rates`: how often what was served was
then watched; `la:erasures`: who was erased until when, by the SHA-256 of the id.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

GENERATION_KEY, CLOCK_KEY, NUMBERS_KEY, NIGHT_KEY = "la:gen", "la:clock", "la:numbers", "la:night"
RESCORED_KEY, LIVING_KEY, TRENDING_KEY = "la:rescored", "la:living", "la:trending"
ERASURES_KEY = "la:erasures"
LIVING_SECONDS = 20  # after which a scorer or query that tells nothing more is forgotten
EXPERIMENTS_KEY, HIT_RATES_KEY, NEW_TITLES_KEY = "la:experiments", "la:hit-rates", "la:new"


class Generations(msgspec.Struct, frozen=True):
    """The pointer: current and previous generation and their horizons (microseconds); 0 is none.

    `epoch` grows with every flip and rollback; `withdrawn` are generations that a rollback took out of service.
    """

    current: int = 0
    current_horizon: int = 0
    previous: int = 0
    previous_horizon: int = 0
    epoch: int = 0
    withdrawn: tuple[int, ...] = ()

    def horizon(self, generation: int) -> int | None:
        """The horizon of a generation in service or kept for rollback."""
        if not generation:
            return None
        if generation == self.previous:
            return self.previous_horizon
        return self.current_horizon if generation == self.current else None

    def oldest_horizon(self) -> int:
        """The horizon since which the speed layer keeps tiles: the earlier of both, so that a rollback is exact."""
        return min(self.previous_horizon, self.current_horizon) if self.previous else self.current_horizon


def generation_key(entity: str, generation: int) -> str:
    """The hash of what a generation says of an entity (`u:ID` or `t:ID`)."""
    return f"la:{{{entity}}}:g:{generation}"


def speed_key(entity: str) -> str:
    """The hash of what the speed layer says of an entity, its state and the state's version."""
    return f"la:{{{entity}}}:s"


def viewers_key(title: str) -> str:
    """Who saw a title that the generation does not know, a sorted set by when they last did."""
    return f"la:{{t:{title}}}:v"


def exposures_key(entity: str) -> str:
    """How often a user was shown each title on which day, a hash."""
    return f"la:{{{entity}}}:x"


def model_key(generation: int) -> str:
    """A generation's models."""
    return f"la:model:{generation}"


def fidelity_key(generation: int) -> str:
    """A generation's fidelity table."""
    return f"la:fidelity:{generation}"


def report_key(generation: int) -> str:
    """What the night that made a generation reported."""
    return f"la:report:{generation}"


def agreement_key(generation: int) -> str:
    """How a generation agrees with what the speed layer said last before it."""
    return f"la:agreement:{generation}"


def audience_key(generation: int) -> str:
    """What lists of users a generation has."""
    return f"la:audience:{generation}"


def piece_key(generation: int, name: str, number: int) -> str:
    """A piece of one of a generation's lists."""
    return f"la:audience:{generation}:{name}:{number}"


def said_key(use_case: str, shard: int) -> str:
    """Users by what the speed layer says, a sorted set: of `churn` minus the probability, of `segment` the number."""
    return f"la:said:{use_case}:{shard}"


def scorer_key(scorer: str) -> str:
    """What a scorer told of itself last; gone seconds after its death."""
    return f"la:scorer:{scorer}"


def query_key(query: str) -> str:
    """What a query of the speed layer told of its last trigger; gone seconds after its end."""
    return f"la:query:{query}"


def generations_of(stored: Mapping[bytes, bytes]) -> Generations:
    """The pointer of its stored hash."""
    numbers = {key.decode(): int(value) for key, value in stored.items() if key != b"withdrawn"}
    return Generations(**numbers, withdrawn=tuple(map(int, stored.get(b"withdrawn", b"").split())))
