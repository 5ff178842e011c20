"""Errors that a user can mend: each says what was found, what is allowed and how to put it right."""


class PesforgeError(Exception):
    """Base of every error that is shown to the user as one message instead of a traceback."""


class SettingsError(PesforgeError):
    """A study file is wrong; the message lists all of its mistakes."""


class StructureError(PesforgeError):
    """A parent structure cannot be built or read."""


class ConvergenceError(PesforgeError):
    """A numerical parameter of the reference method did not converge within the allowed grid."""


class LabelError(PesforgeError):
    """A reference calculation failed; `reason` is one of the kinds in `pesforge.dft.failures`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class DataError(PesforgeError):
    """Labels or descriptors are inconsistent, missing or not usable."""


class StorageError(PesforgeError):
    """A file cannot be written, because the disk is full for example; what was written before is kept."""
