"""What the gateway says when preprocessing is away, slow, or answers something else; over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from telltale_contracts import Recipe
from telltale_gateway.analysis import MediaSource, PreprocessClient
from telltale_gateway.errors import AnalysisTimeout, PreprocessUnavailable, TelltaleError
from telltale_gateway.spooling import Spool

from tests.client.canned import canned

RECIPE = Recipe.model_validate({"inputs": [{"kind": "face_crop", "size": 224}]})


def refusal(url: str, timeout_s: float = 5.0) -> TelltaleError:
    """What asking for a bundle raises."""

    async def ask() -> None:
        client = PreprocessClient(url, timeout_s=timeout_s)
        try:
            await client.bundle(MediaSource(Spool.of(b"media"), None), RECIPE, "id")
        finally:
            await client.close()

    with pytest.raises(TelltaleError) as raised:
        asyncio.run(ask())
    return raised.value


@contextmanager
def listening(*, accepting: bool) -> Iterator[str]:
    """An address where nobody speaks: refused, or taken and left alone."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepting:
            listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_away_it_is_unavailable_and_asked_again_later() -> None:
    with listening(accepting=False) as url:
        said = refusal(url)
    assert isinstance(said, PreprocessUnavailable)
    assert (said.problem("id").code, said.problem("id").status) == ("preprocess_unavailable", 503)
    assert said.retry_after_s
    assert url not in said.detail + said.hint


def test_silent_it_runs_into_the_deadline() -> None:
    with listening(accepting=True) as url:
        said = refusal(url, timeout_s=0.3)
    assert isinstance(said, AnalysisTimeout)
    assert (said.problem("id").code, said.problem("id").status) == ("analysis_timeout", 504)


@pytest.mark.parametrize("answer", [(200, "no bundle"), (500, "no problem either")])
def test_what_it_cannot_have_said_is_not_passed_on(answer: tuple[int, str]) -> None:
    with canned(answer) as preprocessing:
        said = refusal(preprocessing.url)
    assert isinstance(said, PreprocessUnavailable)
    assert answer[1] not in said.detail
