"""What the first bytes of a file say: damaged media and what never was media get different answers."""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x1aE\xdf\xa3"), (0, b"OggS"), (0, b"fLaC"), (0, b"ID3"),
    (0, b"FLV"), (0, b"FORM"), (0, b"caff"), (0, b"\x00\x00\x01\xba"), (0, b"\x30\x26\xb2\x75"),
    (8, b"WEBP"), (8, b"WAVE"), (8, b"AVI "),
    (0, b"\x89PNG"), (0, b"\xff\xd8\xff"), (0, b"GIF8"), (0, b"II*\x00"), (0, b"MM\x00*"),
    (0, b"\x00\x00\x00\x0cjP  "), (0, b"\xff\x4f\xff\x51"),
)  # fmt: skip
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_NETPBM = re.compile(rb"P[1-6]\s")
_REMARK = re.compile(rb"#[^\r\n]*")


def begins_like_media(head: bytes) -> bool:
    """Whether a file that starts so, and cannot be read, is damaged rather than foreign."""
    marked = any(head[place : place + len(mark)] == mark for place, mark in _MARKS)
    return marked or _is_bmp(head) or _is_netpbm(head)


def is_plain_text(head: bytes) -> bool:
    """Whether a file starts with UTF-8 for people to read; pictures whose header is in letters are none."""
    try:
        # Not final: the last letter may be cut in two.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text) and not _is_netpbm(head)


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES


def _is_netpbm(head: bytes) -> bool:
    """A Netpbm header: width, height and, but for bitmaps, the largest value; perhaps cut off, but not before any."""
    if not _NETPBM.match(head):
        return False
    fields = _REMARK.sub(b"", head[2:]).split()[: 2 if head[1:2] in b"14" else 3]
    return bool(fields) and all(field.isdigit() for field in fields)
