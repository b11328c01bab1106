"""The command line. A command parses its arguments, calls one function and prints what it returns."""

from evit_mobile.cli.app import main

__all__ = ["main"]
