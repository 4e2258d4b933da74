"""Puts the specs of jobs/ and tuning/ into the wheel; pyproject.toml has everything else."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("jobs/*.yaml", "jobs/schema.json", "tuning/*.yaml")


class BuildWithSpecs(build_py):
    """An editable install reads the clone's own: nothing is copied for it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in (path for pattern in SHIPPED for path in sorted(Path().glob(pattern))):
            target = Path(self.build_lib, "preimage", "shipped", path)
            self.mkpath(str(target.parent))
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithSpecs})
