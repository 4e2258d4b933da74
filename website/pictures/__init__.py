"""The pictures of docs/index.md, from computations: `python -m website.pictures`, some minutes."""
