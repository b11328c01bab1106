"""Core ML: ML Programs (.mlpackage)."""
