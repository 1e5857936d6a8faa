"""What goes wrong, with the code that TensorFlow Serving gives it."""

from __future__ import annotations

from telltale_tfserving import Code


class ServingError(Exception):
    """A request or a configuration that cannot be honoured; ``code`` is a telltale_tfserving.Code."""

    code = Code.INTERNAL


class NotFound(ServingError):
    """No such model, or none of its versions that were asked for is loaded."""

    code = Code.NOT_FOUND


class InvalidArgument(ServingError):
    """The request does not fit the signature, or cannot be read."""

    code = Code.INVALID_ARGUMENT


class FailedPrecondition(ServingError):
    """The request would be right in another state of the server."""

    code = Code.FAILED_PRECONDITION
