"""The ledger: what the papers say, what recorded runs say, and the page that holds both."""
