"""From a module to files: one file per converter. Each function takes (subject, precision, folder) and returns the file.

The modules import their toolchains outright: they are only imported where they run.
The folder is the route's own. A route is asked for fp32 before int8, so int8 may start from the fp32 file.
"""
