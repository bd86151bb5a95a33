"""The market's processes as the containers of the drill's Docker host run them."""

from __future__ import annotations

from ..kubernetes.kubelet import RunningContainer
from ..market.market import Market
from .containers import WORKER


class MarketProcesses:
    """The app's processes are the market's pods; the worker has one of its own."""

    def __init__(self, market: Market) -> None:
        self._market = market
        market.own_worker_log = True

    async def start(self, service: str, name: str, image: str) -> RunningContainer:
        if service == WORKER:
            return self._market.start_worker(WORKER)
        return await self._market.start(name, image)

    async def stop(self, service: str, name: str) -> None:
        if service == WORKER:
            self._market.worker.process.kill()
        else:
            await self._market.stop(name)
