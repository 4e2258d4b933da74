"""A table of the crash points that were tried."""

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    rows = sorted(row for each in reports for key, row in each.user_properties if key == "crash points")
    if not rows:
        return
    terminalreporter.section("crash points")
    line = "{:24} {:10} {:>6} {:>8}  {}"
    terminalreporter.line(line.format("job", "mode", "points", "seconds", "outcomes"))
    for job, mode, points, outcomes, seconds in rows:
        said = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
        terminalreporter.line(line.format(job, mode, points, f"{seconds:.1f}", said))
    total, seconds = sum(row[2] for row in rows), sum(row[4] for row in rows)
    terminalreporter.line(line.format("all", "", total, f"{seconds:.1f}", ""))
