"""Small wheels that really install, so that set-up can be tested without a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes], executable: str = "") -> str:
    """Write a pure-Python wheel with `files`, one of them `executable`; returns its sha256."""
    info = f"{name}-{version}.dist-info"
    members = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/LICENSE": b"do as you like\n",
    }
    record = "".join(f"{member},sha256={_urlsafe(content)},{len(content)}\n" for member, content in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member)
            entry.external_attr = (0o755 if member == executable else 0o644) << 16
            wheel.writestr(entry, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
