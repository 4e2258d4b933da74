"""The credentials of a profile in ~/.aws, where boto3 is installed."""

from botocore.exceptions import BotoCoreError
from obstore.auth.boto3 import Boto3CredentialProvider


class Profile:
    """Where it is sent to another process, that one looks for them on its own machine."""

    def __init__(self) -> None:
        """Raises OSError if there are none."""
        try:
            self._found = Boto3CredentialProvider()
        except (ValueError, BotoCoreError) as error:
            why = str(error) if isinstance(error, BotoCoreError) else "its profile has none"
            raise OSError(f"no credentials in ~/.aws: {why}") from error

    def __call__(self) -> object:
        return self._found()

    def __reduce__(self) -> tuple[type["Profile"], tuple[()]]:
        return Profile, ()
