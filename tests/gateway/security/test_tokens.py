"""Tokens: what is accepted, and every trick that must not be."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from telltale_gateway.security import Caller, Jwks, TokenVerifier, tokens
from telltale_gateway.security.tokens import BadToken, KeysUnavailable, SharedSecret

SECRET = "k3Vq9-fZ1LrT8mXw2BnY6pDs4GhJ7cAu"  # noqa: S105 of these tests only
ISSUER, AUDIENCE = "https://issuer.example", "telltale"


def claims(**changes: Any) -> dict[str, Any]:
    given = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 60, "scope": "analyse email", **changes}
    return {name: value for name, value in given.items() if value is not None}


def shared() -> TokenVerifier:
    return TokenVerifier(SharedSecret(SECRET), issuer=ISSUER, audience=AUDIENCE, requests_per_minute=5)


def verified(verifier: TokenVerifier, *tokens: str) -> list[Caller]:
    async def verify() -> list[Caller]:
        try:
            return [await verifier.verify(token) for token in tokens]
        finally:
            await verifier.close()

    return asyncio.run(verify())


def refused(verifier: TokenVerifier, token: str) -> str:
    with pytest.raises(BadToken) as raised:
        verified(verifier, token)
    return str(raised.value)


def signed(payload: dict[str, Any]) -> str:
    """A token with the right secret, whatever it claims; the library would look at the claims first."""
    return unsigned({"alg": "HS256", "typ": "JWT"}, SECRET.encode(), payload)


def unsigned(header: dict[str, Any], key: bytes | None = None, payload: dict[str, Any] | None = None) -> str:
    """A token put together by hand, for what the library would not sign."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload or claims())]
    signed = b".".join(parts)
    signature = hmac.new(key, signed, hashlib.sha256).digest() if key is not None else b""
    return b".".join([signed, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def test_a_good_token_is_of_its_subject_with_those_of_our_scopes_that_it_names() -> None:
    (caller,) = verified(shared(), jwt.encode(claims(), SECRET, "HS256"))
    assert caller == Caller("token of ada", frozenset({"analyse"}), 5)
    (caller,) = verified(shared(), jwt.encode(claims(scope=None, scopes=["operate"], sub="e\nve"), SECRET, "HS256"))
    assert caller == Caller("token of eve", frozenset({"operate"}), 5)
    assert verified(shared(), jwt.encode(claims(scope=None), SECRET, "HS256"))[0].scopes == frozenset()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"exp": time.time() - 60}, "expired"),
        ({"nbf": time.time() + 600}, "not valid yet"),
        ({"iss": "https://elsewhere.example"}, "another issuer"),
        ({"aud": "another"}, "another audience"),
        ({"exp": None}, "lacks"),
        ({"iss": None}, "lacks"),
        ({"aud": None}, "lacks"),
        ({"sub": None}, "lacks"),
        ({"exp": "tomorrow"}, "exp, nbf and iat"),
        ({"exp": [1]}, "exp, nbf and iat"),
        ({"exp": float("inf")}, "exp, nbf and iat"),
        ({"nbf": "today"}, "exp, nbf and iat"),
        ({"iat": {}}, "exp, nbf and iat"),
        ({"sub": 7}, "sub is not text"),
        ({"sub": ""}, "sub is empty"),
        ({"sub": " \n"}, "sub is empty"),
        ({"jti": 7}, "jti is not text"),
    ],
)
def test_a_claim_that_is_wrong_or_missing(changes: dict[str, Any], why: str) -> None:
    assert why in refused(shared(), signed(claims(**changes)))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
def test_a_token_without_a_signature(algorithm: str) -> None:
    assert "algorithm" in refused(shared(), unsigned({"alg": algorithm, "typ": "JWT"}))


def test_another_secret_another_algorithm_and_no_token() -> None:
    assert "signature is wrong" in refused(shared(), jwt.encode(claims(), SECRET[::-1], "HS256"))
    assert "algorithm" in refused(shared(), jwt.encode(claims(), SECRET * 2, "HS512"))
    for text in ("", "a.b.c", "x" * 20_000, "....", unsigned({"alg": "HS256", "crit": ["b64"], "b64": False}, b"x")):
        refused(shared(), text)


class Issuer:
    """An issuer on loopback that publishes keys and counts how often it is asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        self.answering = threading.Event()
        self.answering.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                issuer.answering.wait(30)
                self.send_response(issuer.status)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.keys}).encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def publish(self, key: rsa.RSAPrivateKey, kid: str, **more: str) -> None:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        self.keys.append({**public, "kid": kid, "alg": "RS256", **more})

    @property
    def verifier(self) -> TokenVerifier:
        keys = Jwks(f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json")
        return TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, requests_per_minute=5)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    running = Issuer()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.answering.set()
    running.server.shutdown()
    thread.join()
    running.server.server_close()


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_published_keys_are_fetched_once_and_kept(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.publish(private, "k1")
    token = jwt.encode(claims(), private, "RS256", headers={"kid": "k1"})
    assert [caller.name for caller in verified(issuer.verifier, token, token, token)] == ["token of ada"] * 3
    assert issuer.asked == 1


def test_made_up_key_names_do_not_make_us_ask_again_and_again(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.publish(private, "k1")
    verifier = issuer.verifier

    async def ask() -> None:
        for number in range(20):
            with pytest.raises(BadToken):
                await verifier.verify(jwt.encode(claims(), private, "RS256", headers={"kid": f"made-up-{number}"}))
        await verifier.close()

    asyncio.run(ask())
    assert issuer.asked == 1


def test_a_public_key_is_no_shared_secret(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.publish(private, "k1")
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    confused = unsigned({"alg": "HS256", "typ": "JWT", "kid": "k1"}, pem)
    assert "algorithm" in refused(issuer.verifier, confused)
    assert "algorithm" in refused(issuer.verifier, unsigned({"alg": "none", "kid": "k1"}))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    refused(issuer.verifier, jwt.encode(claims(), other, "RS256", headers={"kid": "k1"}))
    refused(issuer.verifier, jwt.encode(claims(), private, "RS512", headers={"kid": "k1"}))
    refused(issuer.verifier, jwt.encode(claims(), private, "RS256"))


def test_a_secret_that_is_published_and_a_key_for_encryption_check_no_signature(
    issuer: Issuer, private: rsa.RSAPrivateKey
) -> None:
    octets = base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")
    issuer.keys = [{"kty": "oct", "kid": "s", "alg": "HS256", "k": octets}, {"kty": "unheard-of", "kid": "u"}]
    issuer.keys += [{"kty": "RSA", "kid": "d", "n": 7, "e": []}, {"kty": "RSA", "kid": "d", "n": "AA", "e": "AQAB"}]
    issuer.publish(private, "e", use="enc")
    refused(issuer.verifier, jwt.encode(claims(), SECRET, "HS256", headers={"kid": "s"}))
    refused(issuer.verifier, jwt.encode(claims(), private, "RS256", headers={"kid": "e"}))


def test_an_issuer_that_is_away_lets_nobody_in(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.status = 500
    with pytest.raises(KeysUnavailable):
        verified(issuer.verifier, jwt.encode(claims(), private, "RS256", headers={"kid": "k1"}))


def token_of(private: rsa.RSAPrivateKey, kid: str) -> str:
    return jwt.encode(claims(), private, "RS256", headers={"kid": kid})


def test_an_issuer_that_fails_is_not_asked_again_and_again(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.status = 500
    verifier = issuer.verifier

    async def ask() -> None:
        for number in range(5):
            with pytest.raises(KeysUnavailable):
                await verifier.verify(token_of(private, f"k{number}"))
        await verifier.close()

    asyncio.run(ask())
    assert issuer.asked == 1


def test_who_has_a_known_key_does_not_wait_for_made_up_ones(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.publish(private, "k1")
    verifier = issuer.verifier

    async def ask() -> None:
        await verifier.verify(token_of(private, "k1"))
        pass_by(verifier, tokens._ASK_AGAIN_AFTER_S + 1)
        issuer.answering.clear()
        made_up = [asyncio.create_task(verifier.verify(token_of(private, f"made-up-{number}"))) for number in range(4)]
        await asked(issuer, 2)
        keys: Any = verifier._keys
        for age, failure in ((0.0, None), (tokens._FRESH_FOR_S, KeysUnavailable("away a moment ago"))):
            keys._fetched, keys._failure = keys._fetched - age, failure
            assert (await verifier.verify(token_of(private, "k1"))).name == "token of ada"
            assert not any(task.done() for task in made_up)
        issuer.answering.set()
        assert all(isinstance(each, BadToken) for each in await asyncio.gather(*made_up, return_exceptions=True))
        await verifier.close()

    asyncio.run(ask())
    assert issuer.asked == 2


def test_while_the_issuer_is_away_its_keys_are_used_on_for_an_hour(issuer: Issuer, private: rsa.RSAPrivateKey) -> None:
    issuer.publish(private, "k1")
    verifier = issuer.verifier

    async def ask() -> None:
        await verifier.verify(token_of(private, "k1"))
        issuer.status = 500
        pass_by(verifier, tokens._FRESH_FOR_S + 1)
        for _ in range(3):
            await verifier.verify(token_of(private, "k1"))
        assert issuer.asked == 2
        pass_by(verifier, tokens._USED_FOR_S)
        with pytest.raises(KeysUnavailable):
            await verifier.verify(token_of(private, "k1"))
        issuer.status = 200
        pass_by(verifier, tokens._ASK_AGAIN_AFTER_S + 1)
        await verifier.verify(token_of(private, "k1"))
        await verifier.close()

    asyncio.run(ask())


def pass_by(verifier: TokenVerifier, seconds: float) -> None:
    """Have everything that the verifier remembers be older by so much."""
    keys: Any = verifier._keys
    keys._fetched -= seconds
    keys._asked -= seconds


async def asked(issuer: Issuer, times: int) -> None:
    """Wait until the issuer was asked so often."""
    async with asyncio.timeout(20):
        while issuer.asked < times:  # noqa: ASYNC110 it counts in another thread
            await asyncio.sleep(0.01)
