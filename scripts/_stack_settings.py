"""Where compose.yaml mounts from and whom it runs as, read as compose reads it: the environment, then .env."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from _steps import SetupError

# The images' own user, for hosts where root owns everything.
IMAGE_USER = 10001
_LINE = re.compile(r"""\s*(?:export\s+)?(TELLTALE_\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|(.*?))\s*(?:(?:^|\s)\#.*)?$""")


@dataclass(frozen=True)
class Place:
    """The folders of the host that are mounted, and the user and group that the containers are."""

    repository: Path
    secrets: Path
    certificates: Path
    uid: int
    gid: int


def read_settings(house: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Every TELLTALE_ variable as compose would fill it in: `environment` is believed before `.env`."""
    file = house / ".env"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = {match[1]: match[2] or match[3] or match[4] or "" for line in lines if (match := _LINE.match(line))}
    return {**found, **{name: value for name, value in environment.items() if name.startswith("TELLTALE_")}}


def place_of(house: Path, settings: Mapping[str, str]) -> Place:
    """What the settings say of this host; folders that they do not name are those of compose.yaml.

    Where there is no .env yet, whoever owns the model repository is who the containers are to be.

    Raises:
        SetupError: there is no model repository, or a user is no number.
    """

    def folder(variable: str, default: str) -> Path:
        return house / Path(settings.get(variable) or default).expanduser()

    repository = folder("TELLTALE_MODEL_REPOSITORY_PATH", "model-repository")
    if not repository.is_dir():
        raise SetupError(f"{repository} is no folder. TELLTALE_MODEL_REPOSITORY_PATH says where the detectors are.")
    owner = repository.stat()
    by_default = (IMAGE_USER, IMAGE_USER)
    if owner.st_uid and not (house / ".env").exists():
        by_default = (owner.st_uid, owner.st_gid)
    try:
        uid = int(settings.get("TELLTALE_UID") or by_default[0])
        gid = int(settings.get("TELLTALE_GID") or by_default[1])
    except ValueError as error:
        raise SetupError(f"TELLTALE_UID and TELLTALE_GID are numbers: {error}.") from error
    secrets, certificates = folder("TELLTALE_SECRETS", "secrets"), folder("TELLTALE_CERTS", "nginx/certs")
    return Place(repository, secrets, certificates, uid, gid)


def place_here(house: Path) -> Place:
    """The same, by the environment of this process.

    Raises:
        SetupError: as ``place_of``.
    """
    return place_of(house, read_settings(house, os.environ))
