"""What each family of operators becomes in XNNPACK's graph."""
