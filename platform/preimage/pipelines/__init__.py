"""From a spec to results: plan its steps, find their inputs, and run them."""
