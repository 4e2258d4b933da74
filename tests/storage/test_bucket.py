"""A bucket of a real S3 server: what fails on the way there, whom it lets in, and what keys it has."""

import os
import pickle
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from preimage.errors import StorageError
from preimage.storage import bucket as buckets
from preimage.storage.bucket import require_key
from preimage.storage.claims import claimed
from preimage.storage.folder import Folder
from preimage.storage.objects import Conflict
from s3_proxy import Proxy, proxied


@pytest.fixture
def proxy(s3: Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxied(_server()) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def _server() -> str:

    return os.environ["AWS_ENDPOINT_URL"]


@pytest.mark.parametrize("fault", ["503 SlowDown", "drop", "lose"])
def test_requests_are_made_again(s3: Folder, proxy: Proxy, fault) -> None:
    objects = Folder.at(s3.uri).storage.objects
    proxy.faults = [fault] * 4  # more than obstore bears
    objects.put("a", b"1")
    proxy.faults = [fault]
    assert objects.get("a").data == b"1"
    proxy.faults = [fault]
    with pytest.raises(Conflict):
        objects.put("a", b"2", None)


def test_a_claim_and_a_commit_bear_answers_that_are_lost(s3: Folder, proxy: Proxy) -> None:
    """The request is made again, and then refused because of itself."""
    folder = Folder.at(s3.uri) / "run"
    proxy.faults = ["lose", None] * 10
    with claimed(folder) as (held, claim):
        held.commit("outcome.json", b"1")
        claim.check()
    assert not proxy.faults[2:], "there were as many requests as faults"
    proxy.faults = []
    assert folder.read("outcome.json") == b"1"


def test_how_many_requests_claims_need(s3: Folder, proxy: Proxy) -> None:
    """Each costs a user time and money."""
    folder = Folder.at(s3.uri) / "run"

    def made() -> int:
        count = len(proxy.requests)
        proxy.requests.clear()
        return count

    with claimed(folder) as (held, claim):
        assert made() == 4, "the first one of a folder asks the store whether it knows conditions"
        held.commit("outcome.json", b"1")
        assert made() == 5
        claim._renew()  # pyright: ignore
        assert made() == 3, "after a commit"
        claim._renew()  # pyright: ignore
        assert made() == 1
    assert made() == 2
    with claimed(folder):
        assert made() == 2


def test_a_running_job_survives_a_server_that_is_away(s3: Folder, proxy: Proxy, monkeypatch) -> None:
    """And a first contact does not wait for long. It is patient wherever it is sent once it was answered."""
    monkeypatch.setattr(buckets, "FIRST_PATIENCE", 0.1)
    folder = Folder.at(s3.uri)
    assert not folder.exists("a")
    proxy.away_until = time.monotonic() + 0.5
    pickle.loads(pickle.dumps(folder)).write("a", b"1")
    assert time.monotonic() >= proxy.away_until
    proxy.away_until = time.monotonic() + 10
    began = time.monotonic()
    with pytest.raises(
        StorageError, match=r"127.0.0.1:\d+ does not answer \(the connection was closed\); gave up after"
    ):
        Folder.at(s3.uri).exists("a")
    assert time.monotonic() < began + 3


def test_a_dead_server_is_named_soon(s3: Folder, monkeypatch) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setattr(buckets, "FIRST_PATIENCE", 0.3)
        with pytest.raises(StorageError) as error:
            Folder.at(s3.uri).exists("a")
    said = f"cannot reach {s3.uri}: {url} does not answer (Connection refused); gave up after "
    assert re.fullmatch(re.escape(said) + r"[01] seconds \(tries: [123]\)", str(error.value))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("403 InvalidAccessKeyId", "access to the bucket {} is denied (InvalidAccessKeyId: Its words)"),
        ("403 AccessDenied", "access to the bucket {} is denied (AccessDenied: Its words)"),
        ("400 ExpiredToken", "the credentials are refused (ExpiredToken: Its words)"),
        ("301 PermanentRedirect", "the bucket {} is in another region: set AWS_REGION"),
        ("400 MalformedXML", "MalformedXML: Its words"),
    ],
)
@pytest.mark.parametrize("ask", ["exists", "read", "entries"])
def test_a_store_that_refuses_is_quoted_in_one_line(s3: Folder, proxy: Proxy, ask, answer, message) -> None:
    folder = Folder.at(s3.uri)
    proxy.faults = [answer] * 2
    with pytest.raises(StorageError) as error:
        folder.entries() if ask == "entries" else getattr(folder, ask)("a")
    assert str(error.value).partition(": ")[2] == message.format(s3.path)
    proxy.faults = []
    assert folder.names() == []


def test_a_store_that_knows_no_conditions_is_said(s3: Folder, proxy: Proxy, caplog) -> None:
    folder = Folder.at(s3.uri) / "run"
    proxy.faults = [None, *["501 NotImplemented"] * 3]
    with claimed(folder) as (held, _):
        held.commit("outcome.json", b"1")
    assert (
        "this object store knows no conditional writes, and so no claims; run only one process" in caplog.text
    )


def test_a_missing_bucket_is_named(s3: Folder) -> None:
    folder = Folder.at("s3://no-such-bucket/run")
    for ask in (folder.exists, folder.names, lambda: folder.read("a"), lambda: folder.claim({})()):
        with pytest.raises(
            StorageError,
            match=r"cannot re\w+ s3://no-such-bucket/\S+: there is no bucket no-such-bucket: make it,",
        ):
            ask()
    with pytest.raises(
        StorageError,
        match=r"/a: there is no bucket no-such-bucket: .* Files already written are unchanged.$",
    ):
        folder.write("a", b"")


def test_a_missing_object_is_missing(s3: Folder) -> None:
    with pytest.raises(StorageError, match=f"cannot read {s3.uri}/a: there is no such object$"):
        s3.read("a")


odd = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=12)


@given(st.lists(odd, min_size=1, max_size=3).map("/".join))
@example("a b/ü%20#?&+=:;,'\"<>\\|*[]{}~^`$@!/雪")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_keys_are_kept_or_refused(s3: Folder, key: str) -> None:
    objects = s3.storage.objects
    try:
        require_key(key)
    except ValueError as error:
        with pytest.raises(ValueError, match="cannot name an object"):
            objects.put(key, b"1")
        assert repr(key) in str(error)
        return
    objects.put(key, key.encode())
    assert objects.get(key).data == key.encode()
    assert [each.key for each in objects.listed("", recursive=True)[0]] == [key]
    objects.delete([key])
    assert not objects.holds("")


@pytest.mark.parametrize("path", ["a//b", "a/../b", "a/./b", "a\nb", "/a"])
def test_paths_that_no_key_can_have_are_refused(s3: Folder, path: str) -> None:
    with pytest.raises(StorageError, match="cannot open .*: .* cannot name an object: it has an empty part"):
        Folder.at(f"{s3.uri}/{path}")


@pytest.fixture
def nobody(s3: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without credentials, by the user's home."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")  # nobody answers there
    return tmp_path


def test_without_credentials_the_remedy_is_named(s3: Folder, nobody: Path) -> None:
    with pytest.raises(
        StorageError, match="no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACC"
    ):
        Folder.at(s3.uri).exists("a")


@pytest.mark.parametrize("where", ["AWS_SHARED_CREDENTIALS_FILE", "home"])
def test_the_credentials_of_a_profile_are_found(s3: Folder, nobody: Path, monkeypatch, where: str) -> None:
    """Also where the folder is sent to; they are not sent with it."""
    path = nobody / ".aws" / "credentials" if where == "home" else nobody / "keys"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[default]\naws_access_key_id = one\naws_secret_access_key = hidden-key\n")
    if where != "home":
        monkeypatch.setenv(where, str(path))
    folder = Folder.at(s3.uri)
    folder.write("a", b"1")
    sent = pickle.dumps(folder)
    assert b"hidden-key" not in sent
    assert pickle.loads(sent).read("a") == b"1"
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(
        StorageError, match=r"no credentials in ~/.aws: The config profile \(other\) could not be found"
    ):
        Folder.at(s3.uri)


def test_a_profile_without_credentials_is_said(s3: Folder, nobody: Path, monkeypatch) -> None:
    (nobody / ".aws").mkdir()
    (nobody / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match=r"no credentials in ~/.aws: its profile has none"):
        Folder.at(s3.uri)


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "http://", "http://[x", "ftp://a", "http://a b"])
def test_an_endpoint_that_is_no_url_is_refused(s3: Folder, monkeypatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(
        StorageError, match="AWS_ENDPOINT_URL must be the URL of a server, such as http://127"
    ):
        Folder.at(s3.uri)


def test_google_writes_over_a_generation(monkeypatch) -> None:
    """As its store knows versions of objects; an etag is not enough there."""
    import obstore
    from obstore.store import MemoryStore

    asked: list[object] = []

    def put(store, key, data, mode, max_concurrency):
        asked.append(mode)
        return {"e_tag": '"digest"', "version": "17"}

    monkeypatch.setattr(obstore, "put", put)
    bucket = buckets.Bucket(("gs", "name", ""), MemoryStore(), MemoryStore(), etag="version")
    assert bucket.put("a", b"1", bucket.put("a", b"1", None)) == "17"
    assert asked == ["create", {"version": "17"}]
