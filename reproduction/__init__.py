"""The ledger: what the papers say, what recorded runs say to it, and the page that holds one against the other."""
