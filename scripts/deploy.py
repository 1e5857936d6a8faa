"""Prepare a host for compose.yaml, and restart the gateways one after another.

`prepare` makes what is missing of .env, secrets/ and nginx/certs/, or where .env says that these are, and leaves alone
what is there. `roll` starts a new
replica for each one that runs (a new image, where one was built or pulled), waits until it answers, and stops the old
one, which finishes what it has begun. Needs nothing but Python 3.11, openssl and docker.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from _first_keys import make_first_keys, write_secret
from _stack_settings import IMAGE_USER, Place, place_here
from _steps import SetupError, call, main_or_message, say, step

HOUSE = Path(__file__).resolve().parent.parent
SECRETS = ("telltale_triton_control_key", "grafana_admin_password")
CERTIFICATE_DAYS = 825
HEALTHY_WITHIN_S = 180
# For so long nginx passes over a replica that refused it while it started (fail_timeout in edge.conf.template).
SETTLE_S = 11
# Longer than an analysis may take, as stop_grace_period in compose.yaml.
GRACE_S = 200


def prepare(house: Path, name: str) -> None:
    """Make .env, the secrets, the first API keys and a certificate for `name`, whatever of them is missing.

    Raises:
        SetupError: openssl is missing or fails, what lies where a key should be is none, or a setting leads nowhere.
    """
    place = place_here(house)
    _write_environment(house, place)
    made = [path for each in SECRETS if not (path := place.secrets / each).exists()]
    for path in made:
        write_secret(path, secrets.token_urlsafe(32))
    made += make_first_keys(place.secrets)
    made += certificate(place.certificates, name)
    for path in [*made, place.secrets, place.certificates]:
        _give(path, place)
    if made and os.geteuid() not in (0, place.uid):
        say(f"the containers run as user {place.uid}, who cannot read that: chown it, or set TELLTALE_UID in .env")
    if place.repository.stat().st_uid != place.uid:
        say(f"for rollouts by the gateway, chown -R {place.uid}:{place.gid} {place.repository}")


def _write_environment(house: Path, place: Place) -> None:
    environment = house / ".env"
    if environment.exists():
        return
    text = (house / ".env.example").read_text(encoding="utf-8")
    for variable, value in (("TELLTALE_UID", place.uid), ("TELLTALE_GID", place.gid)):
        text = text.replace(f"#{variable}={IMAGE_USER}\n", f"{variable}={value}\n")
    environment.write_text(text, encoding="utf-8")
    say(".env is written; every setting is in it")


def certificate(folder: Path, name: str) -> list[Path]:
    """A key and a certificate of our own for `name`, unless there are some; the files that were made.

    Raises:
        SetupError: openssl is missing or fails.
    """
    key, chain = folder / "privkey.pem", folder / "fullchain.pem"
    if key.exists() and chain.exists():
        return []
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SetupError("openssl is missing. On Debian and Ubuntu: sudo apt-get install openssl")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = f"DNS:{name},DNS:localhost,IP:127.0.0.1"
    with step(f"a certificate of our own for {name}, {CERTIFICATE_DAYS} days"):
        call(
            [
                *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", str(CERTIFICATE_DAYS), "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"),
                *("-keyout", key, "-out", chain),
            ],
            failed="openssl could not make a certificate.",
        )
    key.chmod(0o600)
    chain.chmod(0o644)
    return [key, chain]


def roll(house: Path, service: str, compose: Sequence[str]) -> None:
    """Replace every replica of a service by a new one, without ever having fewer than there were.

    Raises:
        SetupError: docker fails, or the new replicas do not become healthy; the old ones are still there then.
    """
    old = _replicas(house, service, compose)
    if not old:
        raise SetupError(f"no {service} runs; `make up` starts the stack.")
    with step(f"{len(old)} new {service} beside {len(old)} old"):
        _scale(house, service, compose, 2 * len(old))
        new = [replica for replica in _replicas(house, service, compose) if replica not in old]
        _wait_until_healthy(house, new)
        time.sleep(SETTLE_S)
    for replica in old:
        with step(f"{service} {replica[:12]} finished and stopped"):
            call(["docker", "stop", "--time", str(GRACE_S), replica], failed=f"{replica} cannot be stopped.", cwd=house)
            call(["docker", "rm", replica], failed=f"{replica} cannot be removed.", cwd=house)
    _scale(house, service, compose, len(old))


def _give(path: Path, place: Place) -> None:
    # Only root can, and only root has to.
    if os.geteuid() == 0:
        os.chown(path, place.uid, place.gid)


def _replicas(house: Path, service: str, compose: Sequence[str]) -> list[str]:
    listed = call([*_compose(compose), "ps", "--quiet", service], failed="docker compose cannot list them.", cwd=house)
    return listed.split()


def _scale(house: Path, service: str, compose: Sequence[str], count: int) -> None:
    how = ["up", "--detach", "--no-deps", "--no-recreate", "--scale", f"{service}={count}", service]
    call([*_compose(compose), *how], failed=f"{service} cannot be scaled to {count}.", cwd=house)


def _compose(arguments: Sequence[str]) -> list[str]:
    return ["docker", "compose", *arguments]


def _wait_until_healthy(house: Path, replicas: list[str]) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while True:
        states = call(["docker", "inspect", *replicas], failed="docker cannot inspect them.", cwd=house)
        waiting = [each["Name"] for each in json.loads(states) if each["State"]["Health"]["Status"] != "healthy"]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise SetupError(
                f"{', '.join(waiting)} did not become healthy within {HEALTHY_WITHIN_S} s; the old ones still answer.\n"
                "Look at their logs, then remove them with docker rm --force."
            )
        time.sleep(0.5)


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--house", type=Path, default=HOUSE, help="where compose.yaml lies")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("prepare", "certs"):
        each = commands.add_parser(name)
        each.add_argument("--name", default="localhost", help="the host name in the certificate")
    rolling = commands.add_parser("roll")
    rolling.add_argument("service", nargs="?", default="gateway")
    rolling.add_argument("compose", nargs="*", help="arguments for docker compose, after --: -f compose.yaml ...")
    options = parser.parse_args()
    try:
        if options.command == "prepare":
            prepare(options.house, options.name)
        elif options.command == "certs":
            certificate(place_here(options.house).certificates, options.name)
        else:
            roll(options.house, options.service, options.compose)
    except (PermissionError, subprocess.SubprocessError) as error:
        raise SetupError(f"{error}. Run this as the user who owns model-repository/, or as root.") from error


if __name__ == "__main__":
    main_or_message(main)
