"""Why a code was not recovered, by name."""

from typing import Literal

Reason = Literal["rank", "saturation", "another code", "stopped"]
