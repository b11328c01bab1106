"""What can be asked for, by its verb: the functions that the command line calls, and the Python API."""
