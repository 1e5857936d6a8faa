"""What is to be served: models, where they lie, which of their versions, under which labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format
from telltale_tfserving import ModelConfig, ModelServerConfig

from telltale_local.standin._status import InvalidArgument


@dataclass(frozen=True)
class Latest:
    """The highest versions there are."""

    count: int = 1

    def choose(self, present: set[int]) -> set[int]:
        """Those of the versions on disk that are to be served."""
        return set(sorted(present)[-self.count :])


@dataclass(frozen=True)
class Everything:
    """Every version there is."""

    def choose(self, present: set[int]) -> set[int]:
        """Those of the versions on disk that are to be served."""
        return set(present)


@dataclass(frozen=True)
class Specific:
    """These versions, as far as they are there."""

    versions: frozenset[int]

    def choose(self, present: set[int]) -> set[int]:
        """Those of the versions on disk that are to be served."""
        return present & self.versions


@dataclass(frozen=True)
class Served:
    """One model of the configuration."""

    name: str
    base_path: Path
    policy: Latest | Everything | Specific = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)

    def aspired(self) -> set[int]:
        """The versions on disk now that are to be served; folders without a number for a name are passed over.

        Raises:
            OSError: the base path cannot be listed.
        """
        present = {int(path.name) for path in self.base_path.iterdir() if path.is_dir() and path.name.isdecimal()}
        return self.policy.choose(present)


def read_config(text: str) -> dict[str, Served]:
    """A ``--model_config_file``: ModelServerConfig in protobuf's text format.

    Raises:
        InvalidArgument: it is not one.
    """
    try:
        config = text_format.Parse(text, ModelServerConfig())
    except text_format.ParseError as error:
        raise InvalidArgument(f"the model configuration cannot be read: {error}") from error
    return served_models(config)


def served_models(config: ModelServerConfig) -> dict[str, Served]:
    """A configuration as the models to serve, by name.

    Raises:
        InvalidArgument: a name or base path is missing, a name is listed twice, or the platform is not TensorFlow.
    """
    models: dict[str, Served] = {}
    for model in config.model_config_list.config:
        if not model.name or not model.base_path:
            raise InvalidArgument(f"Expected model {model.name!r} to have a name and a base_path")
        if model.name in models:
            raise InvalidArgument(f"Illegal to list model {model.name} multiple times in config list")
        if model.model_platform not in {"", "tensorflow"}:
            raise InvalidArgument(
                f"model {model.name} is of platform {model.model_platform!r}; only tensorflow is served"
            )
        models[model.name] = Served(model.name, Path(model.base_path), _policy(model), dict(model.version_labels))
    return models


def _policy(model: ModelConfig) -> Latest | Everything | Specific:
    policy = model.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return Everything()
        case "specific":
            if not policy.specific.versions:
                raise InvalidArgument(f"model {model.name} asks for specific versions and names none")
            return Specific(frozenset(policy.specific.versions))
        case _:
            return Latest(policy.latest.num_versions or 1)
