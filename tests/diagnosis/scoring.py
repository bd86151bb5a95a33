"""What one play was worth, and all together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median

FIRST_THREE = 3


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What the console said once. `after_s`: seconds since the fault could show. `named` and `ranked` are causes with
    their targets ("provider-unreachable smsbower"), the best first; `ranked` holds the named ones too."""

    after_s: float
    named: tuple[str, ...] = ()
    ranked: tuple[str, ...] = ()


def is_meant(said: str, truth: str) -> bool:
    """Whether a cause that was said is a true one: of the same id, and target where the truth has one."""
    return said == truth or (" " not in truth and said.partition(" ")[0] == truth)


@dataclass(frozen=True, kw_only=True)
class Play:
    """One scenario with one seed: its truth, its glances in order, and the last of them, by which it is judged.

    `partly` are causes that are true for a while, or in part: to name them is neither right nor wrong.

    `error` is a sentence where the play itself failed: it counts as abstained.
    """

    scenario: str
    seed: int
    truth: tuple[str, ...]
    partly: tuple[str, ...] = ()
    held_back: bool = False
    glances: tuple[Glance, ...] = ()
    error: str = ""

    @property
    def last(self) -> Glance:
        return self.glances[-1] if self.glances else Glance(after_s=0.0)

    def right(self, glance: Glance) -> bool:
        """Whether what is named first is true; where nothing is wrong: whether nothing is named."""
        if not self.truth:
            return not glance.named
        return bool(glance.named) and any(is_meant(glance.named[0], truth) for truth in self.truth)

    @property
    def first(self) -> bool:
        return not self.error and self.right(self.last)

    @property
    def top_three(self) -> bool:
        """Whether each true cause is among the first three; where nothing is wrong: as `first`."""
        if not self.truth or self.error:
            return self.first
        ranked = self.last.ranked[:FIRST_THREE]
        return all(any(is_meant(said, truth) for said in ranked) for truth in self.truth)

    @property
    def abstained(self) -> bool:
        """Whether something is wrong, and nothing was named."""
        return bool(self.truth) and not self.last.named

    @property
    def wrong(self) -> tuple[str, ...]:
        """The causes that any look named and that are not true: each of them was said with confidence."""
        named = dict.fromkeys(said for glance in self.glances for said in glance.named)
        allowed = (*self.truth, *self.partly)
        return tuple(said for said in named if not any(is_meant(said, truth) for truth in allowed))

    @property
    def seconds(self) -> float | None:
        """Seconds from when the fault could show to the first right answer; None where there was none."""
        if not self.truth:
            return None
        return next((glance.after_s for glance in self.glances if self.right(glance)), None)

    def as_dict(self) -> dict[str, object]:
        said = {"first": self.first, "top_three": self.top_three, "abstained": self.abstained, "wrong": self.wrong}
        return {**asdict(self), **said, "seconds": self.seconds}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Shares (0..1) over some plays; `median_s` over those that were answered; None where there are none."""

    plays: int
    first: float | None
    top_three: float | None
    abstained: float | None
    wrong: float | None
    median_s: float | None
    by_scenario: tuple[str, ...] = field(default=())


def tally(plays: Iterable[Play]) -> Tally:
    counted: Sequence[Play] = tuple(plays)

    def share(number: int) -> float | None:
        return number / len(counted) if counted else None

    seconds = [play.seconds for play in counted if play.seconds is not None]
    return Tally(
        plays=len(counted),
        first=share(sum(play.first for play in counted)),
        top_three=share(sum(play.top_three for play in counted)),
        abstained=share(sum(play.abstained for play in counted)),
        wrong=share(sum(bool(play.wrong) for play in counted)),
        median_s=median(seconds) if seconds else None,
    )
