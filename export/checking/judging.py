"""Decides whether a finished file is kept: by its agreement with Keras, or by its accuracy where labels are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import VerificationError, ZooError
from zoo.export.checking.checks import require_agreement, require_finite
from zoo.export.checking.verify import Verification
from zoo.export.options import ExportOptions
from zoo.inputs.labelled import SplitName
from zoo.progress import SILENT, Progress
from zoo.runner import Predictor
from zoo.runner.evaluate import evaluate
from zoo.system.quiet import quiet
from zoo.tasks.confidence import wilson
from zoo.tasks.evaluation import Proportional, Tolerant, Truth


@dataclass(frozen=True)
class Verdict:
    """What a judge found of a file that is kept."""

    facts: dict[str, Any] = field(default_factory=dict)
    """More for the file's card."""
    notes: tuple[str, ...] = ()
    """What the user should know, one line each."""


FileJudge = Callable[[Path, Verification | None, ExportOptions], Verdict]
"""Decides whether a finished file is kept: takes the file, with its labels and its card, how it compares with Keras
(None where that was declined), and the options of the export. It raises `VerificationError` if the file is not to be
kept."""


def by_agreement(path: Path, verification: Verification | None, options: ExportOptions) -> Verdict:
    """Judges a file by its agreement with Keras alone, see `require_agreement`."""
    if verification is not None:
        require_agreement(verification, options.mode, path.name)
    return Verdict()


@dataclass(frozen=True)
class ByScore:
    """Judges files by their score on labelled files, beside that of the Keras model on the same ones.

    Where the score is an accuracy, an approximate file is kept if it is at least the lower end of the 95% confidence
    interval of Keras' (Wilson's). Agreement alone would refuse the file of an unsure model, whose near ties rounding
    decides, and keep one whose calibration pictures were too few. Where the user asked for an agreement, both count.

    A detector's file has to agree with Keras in any case, and an approximate one is kept if its mAP is at most the
    evaluation's `tolerance` below Keras'.
    """

    held_out: Sequence[Truth]
    split: SplitName
    score: float
    """The score of the Keras model on these files, 0..1."""
    name: str = "accuracy"
    """The name of the score in the card, which has the file's under it, Keras' under `NAME_keras`, and the split and
    number of the files under `NAME_on`."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the model's scores besides, for the card: their temperature."""
    progress: Progress = SILENT

    def __call__(self, path: Path, verification: Verification | None, options: ExportOptions) -> Verdict:
        """Judges a file; the card gets the score with its split and count, and the interval of an accuracy.

        Raises:
            VerificationError: the file is not to be kept.
        """
        approximate = options.mode.approximate
        if verification is not None and (not approximate or options.min_agreement is not None):
            require_agreement(verification, options.mode, path.name)
        if verification is not None:
            require_finite(verification, path.name)
        found = self._evaluate(path)
        facts: dict[str, Any] = {
            self.name: found.score,
            f"{self.name}_keras": self.score,
            f"{self.name}_on": {"split": self.split, "count": self._count(found)},
        }
        if not isinstance(found, Proportional):
            by_agreement(path, verification, options)
            if approximate and isinstance(found, Tolerant):
                self._require_close(found, path, options)
            return Verdict(facts)
        low, high = wilson(round(self.score * found.count), found.count)
        shown = (
            f"{found.score:.1%} of {found.count} {self.split} files, Keras on {self.score:.1%} "
            f"({low:.1%} to {high:.1%} with 95% confidence)"
        )
        if approximate and found.score < low:
            raise VerificationError(
                f"{path.name} is right on {shown}; it was not kept. "
                + ((verification and verification.weakness) or f"Try another quantization: {_others(options)}")
            )
        facts[f"{self.name}_interval"] = list(found.interval)
        if found.sureness:
            facts["scores"] = found.sureness | dict(self.scores)
        if verification is None or not approximate or options.min_agreement is not None:
            return Verdict(facts)
        # The agreement was counted and not judged, and the card says so.
        facts["verification"] = verification.as_dict() | {"asked": 0.0}
        if verification.agreement.share >= options.mode.min_agreement:
            return Verdict(facts)
        agreement = verification.agreement
        return Verdict(
            facts,
            (
                f"{path.name} {agreement.meaning} on {agreement.share:.0%} of {verification.inputs} inputs only, as "
                f"that of a model that is not sure may do; it is kept because it is right on {shown}",
            ),
        )

    def _require_close(self, found: Tolerant, path: Path, options: ExportOptions) -> None:
        """Finds out whether a file's score is near that of Keras.

        Raises:
            VerificationError: it is too far below.
        """
        if found.score < self.score - found.tolerance:
            raise VerificationError(
                f"{path.name} has {found.score_name} {found.score:.1%} on {len(self.held_out)} {self.split} files, "
                f"Keras has {self.score:.1%}, and at most {100 * found.tolerance:.1f} points less are allowed; it was "
                f"not kept. Try another quantization: {_others(options)}"
            )

    def _count(self, found: Any) -> int:
        return found.count if isinstance(found, Proportional) else len(self.held_out)

    def _evaluate(self, path: Path) -> Any:
        try:
            with quiet():
                predictor: Predictor[Any] = Predictor(path, trusted=True)
            return evaluate(predictor, self.held_out, progress=self.progress)
        except ZooError as error:
            # The file lies beside its place still, under a name that means nothing to the user.
            reason = str(error).replace(str(path), path.name)
            raise VerificationError(f"{reason}; {path.name} was not kept") from error


def _others(options: ExportOptions) -> str:
    """Returns modes that lose less than the file's, as words."""
    return ", ".join(name for name in ("int16x8", "dynamic", "float16") if name != options.quantize)
