"""One line of what was measured; how it is shown is `__main__`'s business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A value, and mostly what it is compared with, measured in the same run."""

    name: str
    value: float
    unit: str = "s"
    yardstick: str = ""
    against: float | None = None
    """The yardstick's value, in the same unit."""
    most_ratio: float | None = None
    """The aim for the ratio of the two."""
    most: float | None = None
    """The aim for the value itself."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.against if self.against else None

    @property
    def met(self) -> bool | None:
        """Whether every aim is met; None where there is none."""
        aims = [(self.value, self.most), (self.ratio, self.most_ratio)]
        kept = [value is not None and value <= aim for value, aim in aims if aim is not None]
        return all(kept) if kept else None

    @property
    def aim(self) -> str:
        aims = [f"{self.most:g} {self.unit}"] if self.most is not None else []
        aims += [f"ratio {self.most_ratio:g}"] if self.most_ratio is not None else []
        return " and ".join(aims)

    def document(self) -> dict[str, Any]:
        """For the JSON file."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "yardstick": {"name": self.yardstick, "value": self.against} if self.yardstick else None,
            "ratio": self.ratio,
            "aim": {"ratio": self.most_ratio, "value": self.most} if self.aim else None,
            "met": self.met,
        }

    def cells(self) -> tuple[str, ...]:
        """For the table: name, value, yardstick and its value, ratio, aim, verdict."""
        against = f"{self.yardstick}: {self.against:.3g} {self.unit}" if self.against is not None else ""
        verdict = {True: "met", False: "missed", None: ""}[self.met]
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        return self.name, f"{self.value:.3g} {self.unit}", against, ratio, self.aim, verdict


def alternating(ours: Callable[[], float], theirs: Callable[[], float], times: int) -> tuple[float, float]:
    """The medians of both, measured in turn, so that a busy moment of the machine meets both alike."""
    pairs = [(ours(), theirs()) for _ in range(times)]
    return median(first for first, _ in pairs), median(second for _, second in pairs)
