"""What the gateway answers, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def model_lines(model: Mapping[str, Any]) -> Iterator[str]:
    """Where each version of a detector stands."""
    manifest, rollout = model["manifest"], model["rollout"]
    words = [manifest["server"], f"policy {manifest['policy']}", *(["pinned"] if rollout["pinned"] else [])]
    yield f"{model['name']} ({', '.join(words)}): " + (
        f"version {model['live']} answers" if model["ready"] else f"nobody answers: {model['reason']}"
    )
    for version in model["versions"]:
        yield "  " + _version_line(version, rollout)
    canary = model["canary"]
    if canary is not None:
        yield f"  canary {canary['version']}: {canary['requests']} requests here, {canary['errors']} failed"
    elsewhere = {gateway: version for gateway, version in model["gateways"].items() if version != model["live"]}
    if elsewhere:
        yield "  not there yet: " + ", ".join(f"{g} answers with {v or 'none'}" for g, v in elsewhere.items())


def event_line(event: Mapping[str, Any]) -> str:
    """One line of the history."""
    version = f" {event['version']}" if event["version"] is not None else ""
    percent = f" {event['percent']:g} %" if event.get("percent") is not None else ""
    return f"{event['at']}  {event['action']}{version}{percent}  by {event['who']}: {event['why']}"


def diff_lines(diff: Mapping[str, Any]) -> Iterator[str]:
    """How two versions differ."""
    golden = diff["golden"]
    yield f"{diff['detector']}: version {golden['right']} beside version {golden['left']}"
    yield "  on golden inputs:   " + _difference(golden)
    if diff["traffic"] is None:
        yield "  on the same requests: none yet; shadow or canary would give some"
        return
    traffic = diff["traffic"]
    yield f"  on the same requests: {_difference(traffic)}"
    if diff["dropped"] or diff["failed"]:
        yield f"  not compared: {diff['dropped']} for lack of time, {diff['failed']} without an answer"


def _version_line(version: Mapping[str, Any], rollout: Mapping[str, Any]) -> str:
    share = f" {version['percent']:g} %" if version["percent"] is not None else ""
    then = ", goes live once it has passed" if rollout["next"] == version["version"] else ""
    reason = f"  {version['reason']}" if version["reason"] else ""
    digest = f"  sha256 {version['sha256'][:12]}" if version["sha256"] else ""
    return f"{version['version']:>4}  {version['stage'] + share + then:<14}{digest}{reason}"


def _difference(difference: Mapping[str, Any]) -> str:
    if not difference["n"]:
        return "none"
    text = (
        f"{difference['n']} inputs, mean |difference| {difference['mean_absolute']:.4f}, largest "
        f"{difference['largest']:.4f}, {difference['flipped']} on the other side of the threshold"
    )
    if difference["distance"] is not None:
        text += f"; KS distance {difference['distance']:.2f}, p = {difference['p']:.2g}"
    return text
