"""A client of the API for other applications: Python's standard library alone, a folder that may be copied.

In reading order: `answers`, `explanations`, `lists` and `operations` (what comes back, as types), `wishes` (what is
asked for and handed in), `connections` (HTTP, and what to do without an answer), `rows` (files read as they come),
`client` (a method for each question). docs/client.md has an example.
Nothing of this repository is imported: tests/integration/test_client.py holds it to the OpenAPI document.
"""

from audience_client.client import AudienceClient
from audience_client.connections import ApiError, UnreachableError
from audience_client.rows import Rows

__all__ = ["ApiError", "AudienceClient", "Rows", "UnreachableError"]
