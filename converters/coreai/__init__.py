"""Apple Core AI: `.aimodel` assets, written and run by Apple's own wheels (docs/coreai.md)."""
