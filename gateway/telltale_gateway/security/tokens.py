"""Bearer tokens: JSON Web Tokens (RFC 7519), signed with a shared secret or with a key that an issuer publishes.

What RFC 8725 asks for: algorithms are ours to choose and not the token's, ``none`` is none of them, a published key
is used with its own algorithm only, and exp, iss and aud are both present and checked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

import httpx
import jwt
from jwt.exceptions import InvalidJTIError, InvalidSubjectError

from telltale_gateway.security.caller import SCOPES, Caller, Scope

_log = logging.getLogger(__name__)

_ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_JWKS_BYTES = 1_000_000
_FETCH_TIMEOUT_S = 5.0
_FRESH_FOR_S = 300.0
# While the issuer is away its keys are used on, for so long after they were last fetched.
_USED_FOR_S = 3600.0
# A token that names an unknown key may be of a key published just now; anybody can make such tokens, so it is not
# asked for more often than this, whatever came of it.
_ASK_AGAIN_AFTER_S = 15.0
_LONGEST_TOKEN = 16_384
_LEEWAY_S = 10
_NO_TIME = "One of its exp, nbf and iat is not a time in seconds."


class BadToken(Exception):
    """The token proves nothing; the message says why in words that are safe to answer."""


class KeysUnavailable(Exception):
    """The issuer's keys cannot be fetched, so no token can be checked."""


class _Keys(Protocol):
    async def key_for(self, token: str) -> tuple[Any, str]:
        """The key that must have signed the token, and the only algorithm it may have used."""
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...


class SharedSecret:
    """HS256 with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key_for(self, token: str) -> tuple[Any, str]:  # noqa: ARG002 one secret signs them all
        """The secret."""
        return self._secret, "HS256"

    async def close(self) -> None:
        """Nothing is held."""


class Jwks:
    """The keys that an issuer publishes (RFC 7517), fetched when needed and kept for five minutes.

    Nobody whose key is fresh waits for those who name another: the lock is for asking the issuer, which may hang.
    """

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(timeout=_FETCH_TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._url = url
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._asked = float("-inf")
        self._failure: KeysUnavailable | None = None
        self._fetching = asyncio.Lock()

    async def key_for(self, token: str) -> tuple[Any, str]:
        """The published key of the token's kid.

        Raises:
            BadToken: it names none, or none that is published.
            KeysUnavailable: the keys cannot be fetched.
        """
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError as error:
            raise BadToken("It is not a JSON Web Token.") from error
        if not isinstance(kid, str):
            raise BadToken("It does not name the key that signed it (kid).")
        if not self._may_use(kid, asking=self._fetching.locked()):
            async with self._fetching:
                await self._refresh(kid)
        key = self._keys[kid]
        return key.key, key.algorithm_name

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    def _may_use(self, kid: str, *, asking: bool = False) -> bool:
        """Whether the key is here and need not be asked for: it is fresh, or the issuer failed and is not to be asked.

        A stale key waits where nothing is known to be wrong with the issuer, who may have withdrawn it.
        """
        now = time.monotonic()
        age = now - self._fetched
        in_vain = self._failure is not None and (asking or now - self._asked <= _ASK_AGAIN_AFTER_S)
        return kid in self._keys and (age <= _FRESH_FOR_S or (in_vain and age <= _USED_FOR_S))

    async def _refresh(self, kid: str) -> None:
        """Have the key here.

        Raises:
            BadToken: it is not published.
            KeysUnavailable: the issuer did not say, now or a moment ago.
        """
        if not self._may_use(kid) and time.monotonic() - self._asked > _ASK_AGAIN_AFTER_S:
            self._asked = time.monotonic()
            try:
                self._keys = _usable(await self._fetch())
                self._fetched, self._failure = time.monotonic(), None
            except KeysUnavailable as failure:
                _log.warning("%s; those fetched before are used for an hour", failure)
                self._failure = failure
        if self._may_use(kid):
            return
        if self._failure is not None:
            raise KeysUnavailable(str(self._failure)) from self._failure
        raise BadToken("The key that signed it is not among those that the issuer publishes.")

    async def _fetch(self) -> Any:
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_S), self._client.stream("GET", self._url) as response:
                response.raise_for_status()
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _JWKS_BYTES:
                        raise KeysUnavailable("the issuer's keys are larger than a megabyte")
            return httpx.Response(200, content=body).json()
        except (httpx.HTTPError, ValueError, TimeoutError) as error:
            raise KeysUnavailable(f"the issuer's keys cannot be fetched: {type(error).__name__}") from error


class TokenVerifier:
    """Says whose token it is."""

    def __init__(self, keys: _Keys, *, issuer: str, audience: str, requests_per_minute: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._rate = requests_per_minute

    async def verify(self, token: str) -> Caller:
        """Who the token was issued to, with the scopes among ours that its ``scope`` or ``scopes`` name.

        Raises:
            BadToken: the signature, the algorithm, exp, iss, aud or sub is wrong, or one of them is missing.
            KeysUnavailable: the issuer's keys cannot be fetched.
        """
        if len(token) > _LONGEST_TOKEN:
            raise BadToken("It is too long.")
        key, algorithm = await self._keys.key_for(token)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise BadToken(_why(error)) from error
        except (OverflowError, TypeError, ValueError) as error:  # of a time that is no number, or none that ends
            raise BadToken(_NO_TIME) from error
        subject = _printable(claims["sub"])
        if not subject:
            raise BadToken("Its sub is empty.")
        return Caller(f"token of {subject}", _scopes(claims), self._rate)

    async def close(self) -> None:
        """Let go of what is held."""
        await self._keys.close()


def _usable(document: Any) -> dict[str, jwt.PyJWK]:
    """The published keys that can check a signature; secret ones (kty oct) never can."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeysUnavailable("what the issuer publishes is not a set of keys")
    usable = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict(entry)
        except (jwt.PyJWTError, TypeError, ValueError):  # unknown or damaged: no token can be checked with it
            continue
        if isinstance(key.key_id, str) and key.algorithm_name in _ASYMMETRIC:
            usable[key.key_id] = key
    return usable


def _scopes(claims: Mapping[str, Any]) -> frozenset[Scope]:
    said = claims.get("scope", claims.get("scopes", ""))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(scope for scope in SCOPES if scope in words)


def _printable(subject: str) -> str:
    return "".join(character for character in subject[:80] if character.isprintable()).strip()


def _why(error: jwt.PyJWTError) -> str:
    for kind, words in (
        (jwt.ExpiredSignatureError, "It has expired."),
        (jwt.ImmatureSignatureError, "It is not valid yet."),
        (jwt.InvalidIssuerError, "It is of another issuer."),
        (jwt.InvalidAudienceError, "It is meant for another audience."),
        (jwt.MissingRequiredClaimError, "It lacks one of exp, iss, aud and sub."),
        (InvalidSubjectError, "Its sub is not text."),
        (InvalidJTIError, "Its jti is not text."),
        (jwt.InvalidIssuedAtError, _NO_TIME),
        (jwt.InvalidAlgorithmError, "It is signed with an algorithm that is not allowed."),
        (jwt.InvalidSignatureError, "Its signature is wrong."),
    ):
        if isinstance(error, kind):
            return words
    # The library has no kind of its own for these.
    if any(claim in str(error) for claim in ("(exp)", "(nbf)", "(iat)")):
        return _NO_TIME
    return "It is not a JSON Web Token that can be checked."
