"""What the doctor says of tokens."""

import pytest

from preimage.cli.doctor import _token
from preimage.cluster.connect import keep_token_private

TOKEN = "0123456789abcdef" * 4


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name in (
        "RAY_ADDRESS",
        "RAY_API_SERVER_ADDRESS",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN_PATH",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    return tmp_path / ".ray" / "auth_token"


def write(path, mode):
    path.write_text(TOKEN)
    path.chmod(mode)


def test_no_token_and_none_asked_for_is_well(path):
    assert _token().remedy is None


def test_a_token_that_is_asked_for_and_missing(path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert "get-auth-token --generate" in str(_token().remedy)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert _token().remedy is None


@pytest.mark.parametrize("mode", ["", "disabled"])
def test_a_token_that_is_not_used(path, monkeypatch, mode):
    write(path, 0o600)
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    assert _token().remedy is None  # Ray that is started here sees to it
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert "export RAY_AUTH_MODE=token" in str(_token().remedy)


@pytest.mark.parametrize(("mode", "well"), [(0o600, True), (0o400, True), (0o644, False), (0o660, False)])
def test_a_token_that_others_can_read(path, monkeypatch, mode, well):
    """0644 is how Ray writes it."""
    write(path, mode)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    found = _token()
    assert (found.remedy is None) == well
    assert well or found.remedy == f"chmod 600 {path}"
    assert TOKEN not in f"{found.found} {found.remedy}"


def test_the_token_that_ray_writes_is_made_private(path):
    keep_token_private()
    assert not path.exists()
    write(path, 0o644)
    keep_token_private()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_elsewhere(path, monkeypatch, tmp_path):
    write(tmp_path / "mine", 0o644)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    assert _token().remedy == f"chmod 600 {tmp_path / 'mine'}"
