"""Tell key frames of H.264 from points of a gradual refresh, which containers mark alike.

An encoder that refreshes a picture column by column (x264's intra-refresh) sends no key frame after the first. Its
recovery points are marked as such, but decoding that begins there shows grey until a whole round has passed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from av.packet import Packet
from av.video.stream import VideoStream

_SLICES = range(1, 6)
_NON_IDR = 1


def refresh_detector(stream: VideoStream) -> Callable[[Packet[Any]], bool]:
    """Whether a packet, marked as a key frame, refers to frames before it all the same.

    Only units with their lengths before them are read (ISO/IEC 14496-15, in MP4 and Matroska): in no other container
    is a key frame relied on.
    """
    extra = stream.codec_context.extradata
    if stream.codec_context.name != "h264" or not extra or len(extra) < 5 or extra[0] != 1:
        return lambda _: False
    prefix = (extra[4] & 3) + 1
    return lambda packet: _begins_predicted(memoryview(packet), prefix)


def _begins_predicted(units: memoryview, prefix: int) -> bool:
    """Whether the first slice of a picture is a P or B slice (ITU-T H.264, 7.3.1 and 7.3.3)."""
    place = 0
    while place + prefix + 1 < len(units):
        begin = place + prefix
        kind = units[begin] & 31
        if kind in _SLICES:
            return kind == _NON_IDR and _is_predicted(units[begin + 1])
        place = begin + int.from_bytes(units[place:begin], "big")
    return False


def _is_predicted(head: int) -> bool:
    # After the 1 that is macroblock 0 come the slice types 0 (1), 1 (010), 5 (00110) and 6 (00111), in Exp-Golomb.
    return head >> 6 == 0b11 or head >> 4 == 0b1010 or head >> 3 == 0b10011
