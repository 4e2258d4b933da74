"""What Griffe calls while it reads the docstrings for the reference of the API."""

import inspect

import griffe

from website.parameter_lists import with_lists


class ParameterLists(griffe.Extension):
    """Makes a list of each paragraph that describes parameters."""

    def on_function(self, *, func: griffe.Function, **_: object) -> None:
        """Called by Griffe for each function and method."""
        if func.docstring:
            names = {each.name.lstrip("*") for each in func.parameters}
            func.docstring.value = with_lists(inspect.cleandoc(func.docstring.value), names)
