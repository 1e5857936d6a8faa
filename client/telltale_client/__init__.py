"""Telltale over HTTP: for programs, and as the `telltale` command."""

from telltale_client._gateway import Gateway, GatewayProblem

__all__ = ["Gateway", "GatewayProblem"]
