"""Who is calling, and how, when a proxy asks for them."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send


class ForwardedHeaders:
    """ASGI middleware: believes ``X-Forwarded-For`` and ``X-Forwarded-Proto`` of ``trusted`` proxies.

    They are addresses and networks with commas between; ``*`` is everyone. The caller is the last in the
    list who is none of them, because what stands before may have been made up.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        self._app = app
        self._trusts_all = trusted.strip() == "*"
        self._trusted = [] if self._trusts_all else _networks(trusted)
        self._trusts = lru_cache(maxsize=1_024)(self._look_up)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if scope["type"] == "http" and client and self._trusts(client[0]):
            callers: list[str] = []
            for name, value in scope["headers"]:
                if name == b"x-forwarded-for":
                    callers += [caller.strip() for caller in value.decode("latin-1").split(",")]
                elif name == b"x-forwarded-proto" and value in (b"http", b"https"):
                    scope["scheme"] = value.decode()
            if any(callers):
                scope["client"] = (self._caller(callers), 0)
        await self._app(scope, receive, send)

    def _caller(self, callers: list[str]) -> str:
        if not self._trusts_all:
            for caller in reversed(callers):
                if not self._trusts(caller):
                    return caller
        return callers[0]

    def _look_up(self, host: str) -> bool:
        if self._trusts_all:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _networks(trusted: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(proxy.strip(), strict=False) for proxy in trusted.split(",") if proxy.strip()]
