"""Rewrites turn a reference module into the form that phone runtimes execute best, without changing its function."""

from evit_mobile.rewrites.apply import RewriteLog, rewrite

__all__ = ["RewriteLog", "rewrite"]
