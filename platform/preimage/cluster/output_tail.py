"""The last lines of a submission's output; of a long one, only its last files are read."""

from preimage.cluster.submissions import BEGINNING, Place, Submission


def tail(submission: Submission, lines: int) -> tuple[bytes, Place]:
    """The last lines that were printed, and the position after them, where `Submission.printed` continues."""
    found, place = b"", BEGINNING
    for name in reversed(submission.logs.names()):
        data = submission.logs.read(name)
        if place == BEGINNING:
            place = name, len(data)
        found = data + found
        if found.count(b"\n") > lines:
            break
    return _last(found, lines), place


def last_line(submission: Submission, longest: int = 300) -> str:
    """The last line that says something, or the end of one that is rewritten in place; empty if none does."""
    text = tail(submission, 5)[0].decode(errors="replace").replace("\r", "\n")
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")[:longest]


def _last(data: bytes, lines: int) -> bytes:
    end = len(data) - data.endswith(b"\n")
    start = end
    for _ in range(lines):
        start = data.rfind(b"\n", 0, start)
        if start < 0:
            return data
    return data[start + 1 :] if lines else b""
