"""Who may ask what, how often and how much: ASGI middlewares before the addresses.

In reading order: `scopes` (what an address asks for), `keys` (a key and the file of keys), `keyring` (the keys in
service), `rates` (how often), `guard` (401, 403, 429), `bodies` (408, 413), `headers` (what a browser is told),
`addresses` (400), `described` (all that in OpenAPI), `secured` (around the app); `connections` (before the app: 408,
414, 431, and readers who do not read).
"""
