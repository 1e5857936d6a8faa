"""The guard: from a request's credentials to a caller who may go on."""

from __future__ import annotations

import logging
import math
import time
from typing import Self

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from telltale_gateway.errors import AuthenticationUnavailable, NotAllowed, NotAuthenticated, TooManyRequests
from telltale_gateway.security.caller import Caller, Scope
from telltale_gateway.security.keys import KeyFile, MalformedKeyFile
from telltale_gateway.security.tokens import BadToken, Jwks, KeysUnavailable, SharedSecret, TokenVerifier
from telltale_gateway.settings import Auth

_log = logging.getLogger(__name__)

_HOW = "Send X-API-Key with a key, or Authorization: Bearer with a token."
_RETRY_AFTER_S = 5


class Guard:
    """Knows keys and tokens, and counts what each caller asks of this gateway in a moving minute."""

    def __init__(self, keys: KeyFile | None, tokens: TokenVerifier | None) -> None:
        self._keys = keys
        self._tokens = tokens
        self._rates = MovingWindowRateLimiter(MemoryStorage())

    @classmethod
    def of(cls, auth: Auth) -> Self | None:
        """The guard that the settings ask for; None where they ask for none.

        Raises:
            MalformedKeyFile: the file of keys is missing or damaged.
        """
        if not auth.on:
            return None
        keys = KeyFile(auth.keys_file) if auth.keys_file else None
        if keys is not None:
            keys.listed()
        tokens = None
        if auth.issuer is not None and (auth.jwt_secret or auth.jwks_url):
            tokens = TokenVerifier(
                SharedSecret(auth.jwt_secret.get_secret_value()) if auth.jwt_secret else Jwks(str(auth.jwks_url)),
                issuer=auth.issuer,
                audience=auth.audience,
                requests_per_minute=auth.requests_per_minute,
            )
        return cls(keys, tokens)

    async def admit(self, api_key: str | None, authorization: str | None, scope: Scope | None) -> Caller:
        """The caller, who has the scope where one is needed and has not asked too often.

        Raises:
            NotAuthenticated: no credential, more than one, or a wrong one.
            NotAllowed: the scope is not among the caller's.
            TooManyRequests: more than the caller's share of a minute.
            AuthenticationUnavailable: the keys cannot be read, so nobody can be let in.
        """
        try:
            caller = await self._identify(api_key, authorization)
        except (MalformedKeyFile, KeysUnavailable) as error:
            _log.error("nobody can be let in: %s", error)
            raise AuthenticationUnavailable(
                "Credentials cannot be checked now.", "Send the same request again.", retry_after_s=_RETRY_AFTER_S
            ) from error
        await self._count(caller)
        if scope is not None and scope not in caller.scopes:
            raise NotAllowed(f"This needs the scope {scope}.", f"Ask whoever issues keys for one with {scope}.")
        return caller

    async def close(self) -> None:
        """Let go of what is held."""
        if self._tokens is not None:
            await self._tokens.close()

    async def _identify(self, api_key: str | None, authorization: str | None) -> Caller:
        if api_key and authorization:
            raise NotAuthenticated("Both a key and a token were sent.", "Send one of them.")
        if api_key:
            return self._by_key(api_key)
        kind, _, credential = (authorization or "").partition(" ")
        credential = credential.strip()
        if kind.lower() != "bearer" or not credential:
            raise NotAuthenticated("No credential was sent.", _HOW)
        # Some programs can send a bearer token and no header of their own.
        if credential.startswith("tt_"):
            return self._by_key(credential)
        if self._tokens is None:
            raise NotAuthenticated("Tokens are not accepted here.", "Send X-API-Key with a key.")
        try:
            return await self._tokens.verify(credential)
        except BadToken as error:
            raise NotAuthenticated(f"The token is not accepted. {error}", "Get a new one from its issuer.") from error

    def _by_key(self, text: str) -> Caller:
        key = self._keys.find(text) if self._keys is not None else None
        if key is None:
            raise NotAuthenticated("The key is not known here, or was revoked.", _HOW)
        return key.caller

    async def _count(self, caller: Caller) -> None:
        limit = RateLimitItemPerMinute(caller.requests_per_minute)
        if await self._rates.hit(limit, caller.name):
            return
        window = await self._rates.get_window_stats(limit, caller.name)
        raise TooManyRequests(
            f"More than {caller.requests_per_minute} requests in a minute.",
            "Wait for the seconds in Retry-After.",
            retry_after_s=max(1, math.ceil(window.reset_time - time.time())),
        )
