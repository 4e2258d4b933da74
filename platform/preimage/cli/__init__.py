"""The command line. Only what a verb needs is imported, when it runs: `preimage --help` stays quick."""

from preimage.cli.main import main

__all__ = ["main"]
