"""The page of `preimage browse`, on Bokeh."""
