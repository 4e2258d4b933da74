"""Submissions as their folders have them, without a cluster."""

from preimage.storage.folder import Folder


def add_submission(
    root: Folder,
    name: str,
    state: str,
    *,
    plan: str = "a",
    created: str = "2026-01-02T03:04:05+00:00",
    spec: str = "",
) -> None:
    folder = root / "submissions" / name
    record = {
        "id": name,
        "name": name,
        "run": f"{root.uri}/runs/x",
        "fingerprint": plan,
        "address": "http://h",
    }
    record |= {"created": created, "user": "u", "host": "h", "git_commit": None, "server": {}}
    folder.write_json("submission.json", {"format": 1, **record, "upload": {"sha256": ""}})
    folder.write("spec.yaml", spec.encode())
    made = {"attempt": 1, "state": state, "host": "h", "pid": 1, "ray_job": None, "time": created}
    folder.write_json("state.json", made)
