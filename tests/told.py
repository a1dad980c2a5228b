"""What a test hears of a job's progress."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Told:
    """A `Progress` that keeps all steps."""

    steps: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, parts done and all parts of each step."""
    units: set[str] = field(default_factory=set)

    def step(self, text: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        self.steps.append((text, done, total))
        self.units.add(unit)
