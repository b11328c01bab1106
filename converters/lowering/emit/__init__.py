"""The operators that every runtime's graph has, written by whatever emitter there is."""
