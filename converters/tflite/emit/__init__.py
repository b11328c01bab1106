"""One function per kind of operation: it reads a node and writes what TFLite needs for it."""
