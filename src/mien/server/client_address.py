"""The address by which the server's limits tell clients apart."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

PREFIX = 64
"""Bits of an IPv6 address that name a network (RFC 4291). Every client chooses the other 64 bits as it likes."""


@lru_cache(maxsize=4096)
def limited_address(host: str) -> str:
    """The address that shares one limit.

    Args:
        host: Network address of a client; "" if it has none.

    Returns:
        An IPv4 address; of IPv6 the network, since a client may use any of its addresses; any other text as it is.
    """
    try:
        address = ip_address(host.partition("%")[0])  # without the interface of a link-local address
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), PREFIX), strict=False))
