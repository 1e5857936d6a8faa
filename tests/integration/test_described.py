"""What the OpenAPI document promises, put to every endpoint by schemathesis: requests that fit it and that do not.

No answer is a 5xx, none is of a status, media type or shape that the document does not give, and none names a place on
the host. The examples are the same in every run.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.stack import RunningStack

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# By path: the part of the form, and what it holds, as the fixture names it.
MEDIA = {
    "/predict": ("file", "still"),
    "/predict_video": ("file", "face and voice"),
    "/detect/audio": ("file", "voice"),
    "/detect/image": ("file", "still"),
    "/detect/video": ("file", "face"),
    "/detect/multimodal": ("image", "still"),
    "/analyze": ("file", "face"),
    "/analyze/frames": ("file", "face"),
    "/analyze/audio": ("file", "voice"),
    "/analyze/visualize": ("file", "face"),
    "/analyze/comprehensive": ("file", "face"),
}


def test_no_request_gets_an_answer_that_is_not_described(stack: RunningStack, media: dict[str, Path]) -> None:
    stack.wait_for_health()
    described = schemathesis.openapi.from_url(str(stack.client.base_url.join("/openapi.json")))
    answers: Counter[str] = Counter()
    operations = [each.ok() for each in described.get_all_operations() if isinstance(each, Ok)]
    assert len(operations) >= 8
    for operation in operations:
        for mode in GenerationMode:
            _put(stack, operation, mode, answers)
        for given in _answerable(operation, media):
            _put(stack, operation, GenerationMode.POSITIVE, answers, **given)
    for what, count in sorted(answers.items()):
        logging.getLogger(__name__).info("%4d  %s", count, what)
    assert {what.partition(" positive: ")[0] for what in answers if "positive" in what} == {o.label for o in operations}
    assert {f"POST {path}" for path in MEDIA} <= {what.split(" positive: 200")[0] for what in answers}


def _answerable(operation: APIOperation, media: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """What no generator would hit upon: a detector that there is, and media of the kind that is asked about.

    What is in the answers is compared with golden ones in tests/contract.
    """
    if operation.method == "get" and "{name}" in operation.path:
        yield {"path_parameters": {"name": "toy-face"}}
    if operation.path in MEDIA:
        part, what = MEDIA[operation.path]
        body, query = {part: media[what].read_bytes()}, {"max_frames": 2}
        yield {"body": body, "media_type": "multipart/form-data", "query": query}


def _put(
    stack: RunningStack, operation: APIOperation, mode: GenerationMode, answers: Counter[str], **given: Any
) -> None:
    """Put some examples to one endpoint; what is wrong with an answer is raised with a command to see it again."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode, **given))
    def put(case: schemathesis.Case) -> None:
        response = case.call(base_url=str(stack.client.base_url))
        answers[f"{operation.label} {mode.value}: {response.status_code}"] += 1
        case.validate_response(response, checks=CHECKS)
        assert str(stack.repository).encode() not in response.content

    # A call without parameters leaves nothing to be wrong about.
    with suppress(Unsatisfiable):
        put()
