"""What obstore's errors mean, in one line each."""

import re

from obstore.exceptions import (
    AlreadyExistsError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from preimage.storage.objects import Conflict, Unsupported

_MACHINE = re.compile(r"/latest/(api/token|meta-data)|/computeMetadata/")
"""Where obstore looks for the credentials of a cloud's machine, at last."""
_STATUS = re.compile(r"status code: (\d{3})([A-Za-z ]*)")
_HOST = re.compile(r"performing [A-Z]+ (https?://[^/\s]+)")
_PASSING = re.compile(r"HTTP error|status code: (5(?!01)\d\d|429|408)\b|returned error response")
_REFUSED = re.compile(r"Credential|Token|AccessKey|Signature|Authoriz")


class Unanswered(OSError):
    """A request that may succeed if it is made again."""


class NoCredentials(Unanswered):
    """Neither the environment has any, nor the machine."""


def meaning(error: Exception, bucket: str, key: str) -> Exception:
    """The error that Python's own files, or `objects`, have for it."""
    text = str(error)
    status, code = _first(_STATUS, text), _inside("Code", text)
    if isinstance(error, AlreadyExistsError | PreconditionError):
        return Conflict(key)
    if code == "NoSuchBucket":
        return OSError(f"there is no bucket {bucket}: make it, or name another")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError("there is no such object")
    if _MACHINE.search(text):
        google = "GOOGLE_APPLICATION_CREDENTIALS"
        amazon = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return NoCredentials(f"no credentials were found: set {google if 'computeM' in text else amazon}")
    if status in ("401", "403") or isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return PermissionError(f"access to the bucket {bucket} is denied ({_said(text)})")
    if _REFUSED.search(code):
        return PermissionError(f"the credentials are refused ({_said(text)})")
    if status == "501" or isinstance(error, NotSupportedError):
        return Unsupported(_said(text))
    if _PASSING.search(text):
        host = _first(_HOST, text) or "the store"
        return Unanswered(
            f"{host} {f'answers {_said(text)}' if status else f'does not answer ({_cause(text)})'}"
        )
    if "redirect" in text:
        return OSError(f"the bucket {bucket} is in another region: set AWS_REGION")
    return OSError(_said(text))


def _said(text: str) -> str:
    """The server's words, or else the status, or the first line."""
    code, message = _inside("Code", text), _inside("Message", text)
    if code:
        return f"{code}: {message}" if message else code
    if status := _STATUS.search(text):
        return f"{status[1]}{status[2].rstrip()}"
    return text.strip().split("\n", 1)[0].rpartition(" - ")[2][:300]


def _cause(text: str) -> str:
    """Of a connection that failed: the operating system's words, at the end of obstore's."""
    if "TimedOut" in text:
        return "no answer in time"
    if "IncompleteMessage" in text:
        return "the connection was closed"
    found = re.findall(r'(?:message|error): "([^"\n]+)"', text)
    return found[-1] if found else "no connection"


def _inside(tag: str, text: str) -> str:
    return _first(re.compile(rf"<{tag}>([^<]*)</{tag}>"), text).strip().rstrip(".")[:200]


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
