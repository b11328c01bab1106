"""One ATen operator in MIL's terms: `(emitter, *arguments)` as the operator takes them, to a value or several. See `operators`."""
