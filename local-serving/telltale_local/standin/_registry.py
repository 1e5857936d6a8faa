"""Which versions are loaded: follows the configuration and the disk, and hands out servables."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from telltale_tfserving import Code, ModelSpec, ModelVersionStatus, StatusProto

from telltale_local.standin._config import Served
from telltale_local.standin._servable import Servable
from telltale_local.standin._status import FailedPrecondition, InvalidArgument, NotFound, ServingError

logger = logging.getLogger(__name__)

Loader = Callable[[Path, int], Servable]

# A version that could not be loaded is tried again, because its files may have been on their way.
RETRY_AFTER_S = 10.0


@dataclass
class _Version:
    state: ModelVersionStatus.State
    servable: Servable | None = None
    error: ServingError | None = None
    failed_at: float = 0.0


class Registry:
    """The models that are served. Safe to use from several threads; loading does not hold up answering."""

    def __init__(self, load: Loader = Servable.load) -> None:
        """Nothing is served yet."""
        self._load = load
        self._lock = threading.Lock()
        self._changing = threading.Lock()
        self._models: dict[str, Served] = {}
        self._versions: dict[str, dict[int, _Version]] = {}

    def find(self, spec: ModelSpec) -> Servable:
        """The servable that a request means: by version, by label, or else the highest that is loaded.

        A servable that was handed out stays whole until it is let go of, also when it is unloaded meanwhile.

        Raises:
            InvalidArgument: no model is named, or there is no such label.
            NotFound: that model or version is not loaded.
        """
        if not spec.name:
            raise InvalidArgument("Missing ModelSpec: the request names no model")
        with self._lock:
            loaded = self._loaded(spec.name)
            match spec.WhichOneof("version_choice"):
                case "version":
                    version, asked = spec.version.value, f"Specific({spec.name}, {spec.version.value})"
                case "version_label":
                    version = self._labelled(spec.name, spec.version_label)
                    asked = f"Specific({spec.name}, {version})"
                case _:
                    version, asked = max(loaded, default=-1), f"Latest({spec.name})"
            if version not in loaded:
                raise NotFound(f"Servable not found for request: {asked}")
            return loaded[version]

    def status(self, spec: ModelSpec) -> list[ModelVersionStatus]:
        """The state of the version or label asked for, or of every version that was ever known, highest first.

        Raises:
            InvalidArgument: no model is named, or there is no such label.
            NotFound: nothing is known of it.
        """
        if not spec.name:
            raise InvalidArgument("Missing ModelSpec: the request names no model")
        with self._lock:
            versions = self._versions.get(spec.name, {})
            match spec.WhichOneof("version_choice"):
                case "version":
                    asked = {spec.version.value}
                case "version_label":
                    asked = {self._labelled(spec.name, spec.version_label)}
                case _:
                    asked = set(versions)
            known = sorted(asked & set(versions), reverse=True)
            if not known:
                raise NotFound(f"Could not find any versions of model {spec.name}")
            return [_reported(version, versions[version]) for version in known]

    def configure(self, models: Mapping[str, Served]) -> None:
        """Replace the whole configuration, and return once every model that is new in it serves a version.

        Models that are no longer listed are unloaded. Labels take effect last, and only when all of them are good.

        Raises:
            NotFound: the base path of a new model has no version that the policy wants.
            FailedPrecondition: a label names a version that is not loaded.
            ServingError: no version of a new model could be loaded.
        """
        with self._changing:
            fresh = set(models) - set(self._models)
            with self._lock:
                kept = {name: old.labels for name, old in self._models.items()}
                self._models = {
                    name: Served(name, model.base_path, model.policy, kept.get(name, {}))
                    for name, model in models.items()
                }
            self._follow(retry_failed=True)
            for name in sorted(fresh):
                self._require_one(models[name])
            self._label(models)

    def poll(self) -> None:
        """Look at the disk again and load and unload what has changed there."""
        with self._changing:
            self._follow(retry_failed=False)

    def _follow(self, *, retry_failed: bool) -> None:
        for name in sorted(set(self._versions) | set(self._models)):
            aspired = self._aspired(name)
            if aspired is None:
                continue
            for version in sorted(aspired):
                self._bring_up(name, version, retry_failed=retry_failed)
            # The new ones first: whoever asks meanwhile is answered by the old ones.
            with self._lock:
                loaded = set(self._loaded(name))
            if not aspired or aspired & loaded:
                for version in sorted(loaded - aspired):
                    self._take_down(name, version)

    def _aspired(self, name: str) -> set[int] | None:
        model = self._models.get(name)
        if model is None:
            return set()
        try:
            return model.aspired()
        except OSError as error:
            # As the real one: what is loaded stays until the folder can be read again.
            logger.warning("could not find base path %s for servable %s: %s", model.base_path, name, error)
            return None

    def _bring_up(self, name: str, version: int, *, retry_failed: bool) -> None:
        with self._lock:
            known = self._versions.setdefault(name, {}).get(version)
            if known is not None and known.servable is not None:
                return
            waiting = (
                known is not None and known.error is not None and time.monotonic() - known.failed_at < RETRY_AFTER_S
            )
            if waiting and not retry_failed:
                return
            self._versions[name][version] = _Version(ModelVersionStatus.LOADING)
        try:
            outcome = _Version(
                ModelVersionStatus.AVAILABLE, self._load(self._models[name].base_path / str(version), version)
            )
            logger.info("loaded %s version %d", name, version)
        except ServingError as error:
            outcome = _Version(ModelVersionStatus.END, error=error, failed_at=time.monotonic())
            logger.error("%s version %d: %s", name, version, error)
        with self._lock:
            self._versions[name][version] = outcome

    def _take_down(self, name: str, version: int) -> None:
        with self._lock:
            self._versions[name][version] = _Version(ModelVersionStatus.END)
        logger.info("unloaded %s version %d", name, version)

    def _require_one(self, model: Served) -> None:
        with self._lock:
            if self._loaded(model.name):
                return
            errors = [known.error for known in self._versions.get(model.name, {}).values() if known.error is not None]
        if errors:
            raise errors[-1]
        raise NotFound(f"no version of {model.name} that is asked for was found at {model.base_path}")

    def _label(self, models: Mapping[str, Served]) -> None:
        with self._lock:
            for name, model in models.items():
                loaded = self._loaded(name)
                for label, version in model.labels.items():
                    if version not in loaded:
                        raise FailedPrecondition(
                            f"Request has been made to assign label {label} to version {version} of model {name}, "
                            "which is not currently available for inference"
                        )
            self._models = dict(models)

    def _loaded(self, name: str) -> dict[int, Servable]:
        versions = self._versions.get(name, {})
        return {version: known.servable for version, known in versions.items() if known.servable is not None}

    def _labelled(self, name: str, label: str) -> int:
        labels = self._models[name].labels if name in self._models else {}
        if label not in labels:
            raise InvalidArgument(f"Unrecognized servable version label: {label}")
        return labels[label]


def _reported(version: int, known: _Version) -> ModelVersionStatus:
    error = known.error
    status = StatusProto(error_code=error.code, error_message=str(error)) if error else StatusProto(error_code=Code.OK)
    return ModelVersionStatus(version=version, state=known.state, status=status)
