"""Which addresses anybody on the internet could reach without us."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

# RFC 6052: its last 32 bits are an IPv4 address that a translator will connect to.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_EMBEDDED_IPV4 = 0xFFFFFFFF
# IANA's registries of special purposes have these, and Python 3.11 does not know it: protocol assignments, where one
# cloud keeps its metadata; what used to lead to 6to4 relays; documentation. The last is public by all registries, and
# in Azure the host of each machine, with its metadata.
_SPECIAL = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32")
)
# RFC 5214, 6.1: an interface of ISATAP is called by these 32 bits and the IPv4 address that it is reached at.
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def is_public(text: str) -> bool:
    """Whether an IP address is public, and so is every IPv4 address that is wrapped in it.

    False for loopback, private, link-local (where clouds keep their metadata), shared, reserved, multicast and
    unspecified addresses, and for what is no address.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return all(_is_public(each) for each in (address, *_wrapped(address)))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    special = special or any(address in network for network in _SPECIAL)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None or address in _NAT64:
            return True  # what is wrapped in it decides
        special = special or address.is_site_local or address.scope_id is not None
    return address.is_global and not address.is_link_local and not special


def _wrapped(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 & _EMBEDDED_IPV4 in _ISATAP:
        found.append(IPv4Address(int(address) & _EMBEDDED_IPV4))
    return [each for each in found if each is not None]
