"""Mistakes and misfortunes a user can do something about; the command line prints no traceback for them."""


class PreimageError(Exception):
    """Something the user can mend: one message that says what is wrong and what to do."""


class SpecError(PreimageError):
    """A spec that cannot be run as written; the message lists every mistake."""


class DataError(PreimageError):
    """Images that are missing, unreadable or not what the spec asks for."""


class StoreError(PreimageError):
    """A latent store that is half-written, altered or of another shape."""


class GeneratorError(PreimageError):
    """A generator folder that is incomplete, altered or of another shape."""


class ClassifierError(PreimageError):
    """A classifier folder that is incomplete or altered, or scores that a classifier cannot give."""


class PriorError(PreimageError):
    """A prior folder that is incomplete or altered, or a prior of other codes than asked for."""


class InversionError(PreimageError, ValueError):
    """Images, codes or settings that cannot be inverted together."""


class CheckpointError(PreimageError):
    """A checkpoint that does not belong to this run or cannot be read."""


class StorageError(PreimageError):
    """A folder that cannot be reached, read or written."""


class TrackingError(PreimageError):
    """A tracking server that cannot be reached when a run starts."""


class StoppedEarly(PreimageError):
    """A training that a study gave up, for other trials promise more."""


class NonFiniteError(PreimageError):
    """A loss or gradient that is not a finite number."""
