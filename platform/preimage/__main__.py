"""`python -m preimage` is `preimage`."""

from preimage.cli import main

main()
