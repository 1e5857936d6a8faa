"""Everything that can be set, from the environment: TELLTALE_..., nested by a double underscore."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from telltale_contracts import Forgery

from telltale_gateway.loopback import is_loopback

Share = Annotated[float, Field(gt=0.0)]
Probability = Annotated[float, Field(gt=0.0, lt=1.0)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Group):
    """What is refused before anything is done with it."""

    upload_bytes: int = Field(default=100_000_000, ge=1)
    concurrent_analyses: int = Field(default=16, ge=1, description="more are told to come back")
    batches_per_server: int = Field(default=8, ge=1, description="batches that one server is given at once")


class Deadlines(_Group):
    """Seconds that each wait may take."""

    upload_s: float = Field(default=300.0, gt=0.0)
    analysis_s: float = Field(default=180.0, gt=0.0)
    preprocess_s: float = Field(
        default=130.0, gt=0.0, description="longer than preprocessing itself may queue and work, so that it can say why"
    )
    inference_s: float = Field(default=30.0, gt=0.0)
    explain_s: float = Field(default=20.0, gt=0.0, description="for the heatmaps, where they are asked for")
    reader_s: float = Field(
        default=20.0, gt=0.0, description="whoever takes nothing of a film or a kept file for so long is cut off"
    )
    load_s: float = Field(default=60.0, gt=0.0)
    probe_s: float = Field(default=10.0, gt=0.0)
    start_s: float = Field(
        default=0.0, ge=0.0, description="a gateway that starts lets nobody in before all can answer, or for so long"
    )


class Fusion(_Group):
    """P(fake) before any evidence, how it is shared among forgeries (equally when not said), and the labels.

    The uncertain band is where the evidence outweighs neither explanation by a factor of three, "not worth more than a
    bare mention" (Kass and Raftery 1995).
    """

    prior_fake: Probability = 0.5
    shares: dict[Forgery, Share] = Field(default_factory=dict)
    threshold: Probability = 0.5
    uncertain: tuple[Probability, Probability] = (0.25, 0.75)
    min_face_quality: float = Field(default=0.2, ge=0.0, le=1.0)
    contradiction: float = Field(default=0.8, gt=0.5, lt=1.0)

    @model_validator(mode="after")
    def _band(self) -> Self:
        low, high = self.uncertain
        if not low <= self.threshold <= high:
            raise ValueError(f"the threshold {self.threshold} lies outside the uncertain band [{low}, {high}]")
        return self


class Reconcile(_Group):
    """How often the servers are compared with rollout.yaml, and each detector with its golden scores."""

    interval_s: float = Field(default=0.5, gt=0.0)
    probe_interval_s: float = Field(default=5.0, gt=0.0)
    stale_after_s: float = Field(default=10.0, gt=0.0, description="a probe older than this proves nothing")
    settle_s: float = Field(
        default=5.0, ge=0.0, description="a folder that has not changed for so long is no longer being copied"
    )
    linger_s: float = Field(default=3.0, ge=0.0, description="a version stays loaded once no gateway uses it")


class Canary(_Group):
    """When a canary is taken out by itself; every gateway judges by the requests that it has seen."""

    min_errors: int = Field(default=3, ge=1)
    max_error_rate: float = Field(default=0.02, ge=0.0, le=1.0)
    min_requests: int = Field(default=50, ge=2, description="of either version, before latencies are compared")
    latency_factor: float = Field(default=2.0, gt=1.0, description="p95 of the canary over that of the live version")
    min_pairs: int = Field(default=50, ge=2, description="different inputs that both scored, before these are compared")
    drift_p: float = Field(default=1e-4, gt=0.0, lt=1.0)
    drift_distance: float = Field(default=0.2, ge=0.0, le=1.0)
    drift_difference: float = Field(default=0.02, ge=0.0, le=1.0, description="between both scores of an input, mean")
    max_flipped: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="share of inputs on the other side of the threshold than the live version",
    )


class Rollouts(_Group):
    """What operators may do, and how."""

    wait_s: float = Field(default=120.0, gt=0.0, description="an order is waited for so long at most")
    mirror_room: int = Field(default=8, ge=1, description="inputs that may wait to be asked of a second version")


class Visualizations(_Group):
    """Files that answers refer to, in nameless temporary files of the gateway that made them."""

    keep_s: float = Field(default=600.0, gt=0.0)
    files: int = Field(default=64, ge=1)
    bytes: int = Field(default=1_000_000_000, ge=1, description="all together; the oldest give way")


class Tracing(_Group):
    """Whither spans are sent; nowhere by default."""

    endpoint: str | None = Field(default=None, description="of OTLP over HTTP, e.g. http://collector:4318/v1/traces")
    sample: float = Field(default=1.0, ge=0.0, le=1.0, description="share of the requests that nobody else traces")


class Urls(_Group):
    """Whether media is fetched for those who send a URL instead of it."""

    enabled: bool = False
    timeout_s: float = Field(default=60.0, gt=0.0)
    ports: frozenset[Annotated[int, Field(ge=1, le=65535)]] = frozenset({80, 443})
    concurrent: int = Field(default=8, ge=1, description="fetched at once; more are told to come back")


_SHORTEST_SECRET = 32
_LEAST_VARIETY = 10
_SHORTEST_CONTROL_KEY = 16
# Of examples in documentation; looked for in a secret without its case, hyphens and the like.
_DEFAULT_WORDS = (
    *("changeme", "changethis", "replaceme", "goeshere", "secretkey", "yoursecret", "yourjwtsecret", "jwtsecret"),
    *("mysecret", "supersecret", "topsecret", "password", "example", "default", "qwerty", "letmein", "placeholder"),
)


class Auth(_Group):
    """Who may ask: on as soon as there is a file of keys, a secret or an issuer whose tokens are known."""

    keys_file: Path | None = Field(default=None, description="API keys; `telltale-gateway keys` writes it")
    jwt_secret: SecretStr | None = Field(default=None, description="of HS256 tokens; at least 32 characters")
    jwks_url: str | None = Field(default=None, description="where the issuer of RS256, ES256, ... tokens has its keys")
    issuer: str | None = Field(default=None, min_length=1, description="iss that tokens must have")
    audience: str = Field(default="telltale", min_length=1, description="aud that tokens must have")
    requests_per_minute: int = Field(default=120, ge=1, description="of one token's subject; each key has its own")

    @property
    def on(self) -> bool:
        """Whether anything is needed of a caller."""
        return bool(self.keys_file or self.jwt_secret or self.jwks_url)

    @field_validator("jwt_secret")
    @classmethod
    def _no_guessable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        text = secret.get_secret_value() if secret else None
        if text is None:
            return None
        if len(text) < _SHORTEST_SECRET or len(set(text)) < _LEAST_VARIETY:
            raise ValueError(f"needs {_SHORTEST_SECRET} characters that nobody guesses: openssl rand -base64 48")
        if _is_regular(text):
            raise ValueError("follows a rule that can be guessed; make one: openssl rand -base64 48")
        letters = "".join(each for each in text.lower() if each.isalnum())
        if any(word in letters for word in _DEFAULT_WORDS):
            raise ValueError("is a default that others know too; make one: openssl rand -base64 48")
        return secret

    @field_validator("jwks_url")
    @classmethod
    def _no_eavesdropping(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "https://")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise ValueError("must be https, or anyone on the way could let himself in")
        return url

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.jwt_secret and self.jwks_url:
            raise ValueError("jwt_secret and jwks_url are both set: tokens have one way to be signed")
        if (self.jwt_secret or self.jwks_url) and self.issuer is None:
            raise ValueError("issuer is needed with jwt_secret or jwks_url")
        return self


class Settings(BaseSettings):
    """The gateway's settings."""

    model_config = SettingsConfigDict(
        env_prefix="TELLTALE_", env_nested_delimiter="__", env_ignore_empty=True, extra="ignore", frozen=True
    )

    model_repository: Path
    preprocess_url: str
    triton_url: str | None = Field(default=None, description="of one Triton, or of several, separated by commas")
    triton_grpc_target: str | None = Field(
        default=None, description="HOST:PORT of each Triton's gRPC in the same order, for loads that hold up no request"
    )
    tfserving_target: str | None = Field(default=None, description="HOST:PORT, of one or of several as above")
    tfserving_model_root: Path | None = Field(
        default=None, description="the model repository as TensorFlow Serving sees it, where that differs"
    )
    triton_control_key: SecretStr | None = Field(
        default=None, description="what Triton's --http-restricted-api asks for before it loads or unloads a model"
    )
    triton_instances: Literal["KIND_CPU", "KIND_GPU"] | None = Field(
        default=None, description="what Triton computes on, where not on what each config.pbtxt says"
    )
    staging_root: Path | None = Field(default=None, description="version folders below it can be staged over HTTP")
    allow_anonymous: bool = Field(default=False, description="serve addresses other than loopback without keys")
    device: str = Field(default="cpu", description="what the model servers compute on, told to those who ask")
    cors_origins: tuple[str, ...] = Field(default=(), description="origins whose pages may ask; none by default")
    auth: Auth = Auth()
    urls: Urls = Urls()
    tracing: Tracing = Tracing()
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    fusion: Fusion = Fusion()
    reconcile: Reconcile = Reconcile()
    canary: Canary = Canary()
    rollout: Rollouts = Rollouts()
    visualizations: Visualizations = Visualizations()

    @property
    def tritons(self) -> tuple[tuple[str, str | None], ...]:
        """The URL of each Triton, and where its gRPC listens if that is known."""
        urls, targets = _listed(self.triton_url), _listed(self.triton_grpc_target)
        return tuple(zip(urls, targets or (None,) * len(urls), strict=True))

    @property
    def tfserving_targets(self) -> tuple[str, ...]:
        """The TensorFlow Servings; none where there is none."""
        return _listed(self.tfserving_target)

    @field_validator("triton_control_key")
    @classmethod
    def _no_short_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value()) < _SHORTEST_CONTROL_KEY:
            raise ValueError(f"needs {_SHORTEST_CONTROL_KEY} characters: openssl rand -hex 32")
        return key

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in {"http", "https"}
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin!r} is not an origin like https://example.com; there is no wildcard")
        return origins

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        urls, targets = _listed(self.triton_url), _listed(self.triton_grpc_target)
        if targets and len(targets) != len(urls):
            raise ValueError(f"triton_grpc_target names {len(targets)} servers, triton_url {len(urls)}")
        return self


def _is_regular(text: str) -> bool:
    """Whether it is digits alone, one piece over and over, or for the most part characters in a row (abc, 321, aaa)."""
    in_a_row = sum(abs(ord(b) - ord(a)) <= 1 for a, b in pairwise(text))
    return text.isdigit() or text in (text + text)[1:-1] or in_a_row > len(text) // 2


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
