"""Redis' own client for one server and for a cluster, so that what writes the store need not know which it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import RedisClusterException

from lambda_arch.addresses import address_of, plain

FAULTS = (redis.RedisError, RedisClusterException)  # the second is no first


class Clustered(redis.RedisCluster):
    """A cluster's client that answers as a single server's does."""

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """One pipeline per server; none is a transaction, as its keys are on several."""
        plain_pipeline: Any = super().pipeline
        return plain_pipeline()

    def register_script(self, script: Any) -> Any:
        """A script that goes over the wire whole: in pipelines a cluster's client takes no digests."""

        def evaluated(keys: Sequence[str], args: Sequence[Any], client: Any = None) -> Any:
            asked = self if client is None else client
            return asked.execute_command("EVAL", script, len(keys), *keys, *args)

        return evaluated


def client_of(url: str, **options: Any) -> Any:
    """The client of a store's URL; it connects when it is first asked, a cluster's at once."""
    if address_of(url).cluster:
        return Clustered.from_url(plain(url), **options)
    return redis.Redis.from_url(url, **options)


def stretch(client: Any, cursor: int, match: str, count: int) -> tuple[int, list[bytes]]:
    """The next stretch of a scan over all servers, one after another: where to go on, 0 at the end, and its keys."""
    if not isinstance(client, Clustered):
        after, keys = client.scan(cursor, match=match, count=count)
        return int(after), keys
    cluster: Any = client
    servers = sorted(cluster.get_primaries(), key=lambda server: server.name)
    own, place = divmod(cursor, len(servers))
    found: Any = client.scan(own, match=match, count=count, target_nodes=servers[place])
    after = int(found[0][servers[place].name])
    if after:
        return after * len(servers) + place, found[1]
    return (place + 1) % len(servers), found[1]
