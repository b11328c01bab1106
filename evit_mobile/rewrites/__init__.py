"""Rewrites turn a reference module into the form that phone runtimes execute best, without changing its function."""

from evit_mobile.rewrites.apply import RewriteLog, rewrite, rewrite_for_half, rewrite_for_integers

__all__ = ["RewriteLog", "rewrite", "rewrite_for_half", "rewrite_for_integers"]
