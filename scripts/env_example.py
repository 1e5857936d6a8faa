"""Write .env.example: every variable of the compose files and every setting of the services, with their defaults.

Run it in the services environment after a setting or a compose file has changed; a test compares.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _steps import SetupError, main_or_message, say
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined
from telltale_gateway.settings import Settings as GatewaySettings
from telltale_preprocess.settings import Settings as PreprocessSettings

HOUSE = Path(__file__).resolve().parent.parent
EXAMPLE = HOUSE / ".env.example"
VARIABLE = re.compile(r"\$\{(TELLTALE_\w+)(?::?-([^}]*))?\}")

# What compose reads besides the services' own settings.
STACK = {
    "TELLTALE_VERSION": "tag of the images that are built here",
    "TELLTALE_UID": "who owns model-repository/, secrets/ and nginx/certs/ on the host; never 0",
    "TELLTALE_GID": "and their group",
    "TELLTALE_MODEL_REPOSITORY_PATH": "the model repository on the host; an absolute path, or one that begins with ./",
    "TELLTALE_SECRETS": "folder of the secrets: one file each, readable by TELLTALE_UID alone",
    "TELLTALE_AUTH__KEYS_FILE": "API keys, as gateways see secrets/keys/keys.json; `docker compose run --rm keys` "
    "changes it. Set to nothing: no keys",
    "TELLTALE_CERTS": "folder of fullchain.pem and privkey.pem",
    "TELLTALE_ACME": "folder that answers http-01 challenges",
    "TELLTALE_GATEWAYS": "replicas of the gateway",
    "TELLTALE_PREPROCESSORS": "replicas of preprocess-service",
    "TELLTALE_UPLOAD_ROOM": "memory for uploads under way, of each gateway and each preprocess-service",
    "TELLTALE_GATEWAY_MEMORY": "the memory limit of each gateway, TELLTALE_UPLOAD_ROOM included",
    "TELLTALE_PREPROCESS_MEMORY": "of each preprocess-service, TELLTALE_UPLOAD_ROOM included; 2 GB a worker",
    "TELLTALE_TRITON_MEMORY": "of Triton",
    "TELLTALE_TFSERVING_MEMORY": "of TensorFlow Serving",
    "TELLTALE_EDGE_HTTP_PORT": "published; leads to HTTPS, and answers http-01 challenges",
    "TELLTALE_EDGE_HTTPS_PORT": "published; everything that is public",
    "TELLTALE_EDGE_OPERATORS_PORT": "published on 127.0.0.1 only; metrics, rollouts, Grafana",
    "TELLTALE_EDGE_SERVER_NAME": "the name in the certificate",
    "TELLTALE_EDGE_REQUESTS_PER_S": "of one address, in the long run; more are let in within the burst, then 429",
    "TELLTALE_EDGE_BURST": "requests of one address that are let in at once beyond that; none is made to wait",
    "TELLTALE_EDGE_CONNECTIONS": "requests of one address that may be under way",
    "TELLTALE_EDGE_HSTS_S": "how long browsers are to insist on TLS; 31536000 once the certificate is a real one",
    "TELLTALE_METRICS_KEPT": "how long Prometheus keeps what it scraped",
    "TELLTALE_GPUS": "GPUs for each model server (compose.gpu.yaml): a number, or all",
    "TELLTALE_NGINX_IMAGE": "images, to be had from elsewhere or at another version",
    "TELLTALE_TRITON_IMAGE": "",
    "TELLTALE_TFSERVING_IMAGE": "",
    "TELLTALE_TFSERVING_GPU_IMAGE": "",
    "TELLTALE_NGINX_EXPORTER_IMAGE": "",
    "TELLTALE_PROMETHEUS_IMAGE": "",
    "TELLTALE_GRAFANA_IMAGE": "",
}
# What compose.yaml itself says to the containers; setting it here would change nothing.
FIXED = {"TELLTALE_MODEL_REPOSITORY", "TELLTALE_PREPROCESS_URL", "TELLTALE_PREPROCESS_ASSETS"}
# Follows TELLTALE_LIMITS__UPLOAD_BYTES.
FIXED |= {"TELLTALE_PREPROCESS_MAX_UPLOAD_BYTES"}

HEAD = """\
# Every setting of the stack, commented out where it has its default. `make up` copies this file to .env and fills in
# TELLTALE_UID and TELLTALE_GID. Secrets are no settings: they are files in secrets/.
#
# Written by scripts/env_example.py.
"""


def compose_variables(house: Path = HOUSE) -> dict[str, str]:
    """The variables of the compose files with their defaults; one that has two different defaults is an error.

    Raises:
        SetupError: a default differs between two places.
    """
    found: dict[str, str] = {}
    for path in sorted(house.glob("compose*.yaml")):
        for name, default in VARIABLE.findall(path.read_text(encoding="utf-8")):
            if found.setdefault(name, default) != default:
                raise SetupError(f"{path.name} gives {name} the default {default!r}, elsewhere it is {found[name]!r}.")
    return found


def settings_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    """Name, default and description of every setting that is not a secret, nested ones by their full name."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from settings_of(type(default), f"{variable}__")
        elif SecretStr.__name__ not in str(field.annotation):
            yield variable, _written(default), field.description or ""


def _written(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, frozenset):
        value = sorted(value)
    return json.dumps(value) if isinstance(value, dict | list | tuple) else str(value)


def example() -> str:
    """The whole file.

    Raises:
        SetupError: a compose file has a variable that nothing explains.
    """
    compose = compose_variables()
    gateway = list(settings_of(GatewaySettings, "TELLTALE_"))
    preprocess = list(settings_of(PreprocessSettings, "TELLTALE_PREPROCESS_"))
    services = {name for name, _, _ in [*gateway, *preprocess]}
    unexplained = compose.keys() - STACK.keys() - services
    if unexplained:
        raise SetupError(f"scripts/env_example.py does not explain {', '.join(sorted(unexplained))}.")
    stack = [(name, compose[name], about) for name, about in STACK.items() if name in compose]
    parts = [HEAD]
    for title, rows in (("the stack", stack), ("the gateway", gateway), ("preprocess-service", preprocess)):
        parts.append(f"\n# --- {title}\n")
        for name, default, about in rows:
            if name in FIXED or (name in STACK and rows is not stack):
                continue
            parts.append(f"\n# {about}\n" if about else "")
            parts.append(f"#{name}={compose.get(name, default)}\n")
    return "".join(parts)


def main() -> None:
    """Write the file."""
    EXAMPLE.write_text(example(), encoding="utf-8")
    say(f"{EXAMPLE.name} is written")


if __name__ == "__main__":
    main_or_message(main)
