"""Media that a caller names by its URL: fetched for him, and from public places only."""

from telltale_gateway.fetching.addresses import is_public
from telltale_gateway.fetching.fetcher import UrlFetcher
from telltale_gateway.fetching.pinned import NotPublic, PinnedBackend, resolve

__all__ = ["NotPublic", "PinnedBackend", "UrlFetcher", "is_public", "resolve"]
