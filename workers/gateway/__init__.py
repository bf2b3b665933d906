"""The model gateway: coding agents get no key and no network, only a loopback port of the worker.

It speaks the Messages and Responses protocols, reserves each call's worst case in the attempt's
budget, forwards it with the real key, streams the answer through, settles what it took.
"""

from workers.gateway.account import GatewayAccount
from workers.gateway.server import Gateway, gateway

__all__ = ["Gateway", "GatewayAccount", "gateway"]
