"""Puts the browser demo's page, which a checkout has beside the package, into the package that is built. The rest is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PAGE = ("*.html", "*.css", "js/*.js")
"""Of web_demo: not what npm installs there, nor an exported model."""


class BuildWithPage(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # a checkout is used as it is
        for pattern in PAGE:
            for source in sorted(Path("web_demo").glob(pattern)):
                target = Path(self.build_lib, "evit_mobile", source)
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))


setup(cmdclass={"build_py": BuildWithPage})
