"""The command line. Each verb imports what it needs when it runs, so `preimage --help` stays fast."""

from preimage.cli.main import main

__all__ = ["main"]
