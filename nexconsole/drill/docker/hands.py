"""What people and machines change on the drill's Docker host."""

from __future__ import annotations

from datetime import datetime

from ..kubernetes.endings import OUT_OF_MEMORY, ContainerEnd, CrashLoop
from ..platform import PlatformName
from .containers import APP
from .host import DockerHost


class ComposeHands:
    """As `drill.kubernetes.hands`, with what Compose has for it. A container is given by its name."""

    def __init__(self, host: DockerHost) -> None:
        self._host = host

    def configure(self, key: str, value: str, *, at: datetime | None = None) -> None:
        """Change an entry of the .env file, which processes read at their start: it leaves no trace of its own."""
        self._host.new_settings()

    def rekey(self, key: str, value: str, *, at: datetime | None = None) -> None:
        self._host.new_settings()

    def scale(self, replicas: int) -> None:
        self._host.scale(replicas)

    def restart_rollout(self) -> None:
        """Replace the app's containers by others of the same image."""
        self._host.recreate()

    def kill(self, pod: str = "", end: ContainerEnd = OUT_OF_MEMORY) -> str:
        """End a container, the app's first one where none is named; its policy starts it anew. Its name."""
        name = pod or next((each.name for each in self._host.app if each.process is not None), "")
        if name:
            self._host.endings.kill(name, end)
        return name

    def crash(self, end: ContainerEnd, after_s: float, *pods: str) -> None:
        """From now on each container of the app ends `after_s` seconds after its start; where some are named, they."""
        names = frozenset(pods) or frozenset(f"{APP}-{number}" for number in range(1, 100))
        self._host.endings.set_loop(CrashLoop(end, after_s, names))

    def crash_no_more(self) -> None:
        self._host.endings.set_loop(None)

    def restarted_before(self, pod: str, end: ContainerEnd, at: datetime, times: int = 1) -> None:
        self._host.restarted_before(pod, end, at, times)


class DockerPlatform:
    """The Docker host as faults see it."""

    name: PlatformName = "docker"

    def __init__(self, host: DockerHost) -> None:
        self.host = host
        self.hands = ComposeHands(host)

    @property
    def image(self) -> str:
        return self.host.image

    @property
    def replicas(self) -> int:
        return self.host.replicas

    def release(self, image: str) -> None:
        self.host.release(image)

    def remove_autoscaler(self) -> None:
        """Compose has none."""
