"""How a gRPC channel finds a server again that was started anew, perhaps at another address."""

from __future__ import annotations

# gRPC waits up to two minutes before it connects again, and half a minute before it asks for the address of a name
# again: a container that comes back elsewhere would be looked for where it was.
FIND_AGAIN = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
)
