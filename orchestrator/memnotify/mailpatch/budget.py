"""The limit on the work of an import, in steps, so that the same mail always ends the same way."""

from __future__ import annotations

from dataclasses import dataclass

# A patch of 10,000 added lines that lost all their white space takes half of this.
_STEPS = 300_000
_FOR_EACH_MAIL = 10_000


class TooMuchError(Exception):
    """More steps than any real mail takes."""


@dataclass
class Effort:
    """The steps that are left. A step is one way to read a line, or other work of this size."""

    left: int = _STEPS

    @staticmethod
    def of(mails: int) -> Effort:
        """Return the limit for a series of this many mails."""
        return Effort(_STEPS + _FOR_EACH_MAIL * mails)

    def spend(self, steps: int = 1) -> None:
        """Use up steps. Raises TooMuchError if there are none left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuchError
