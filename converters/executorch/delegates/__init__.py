"""ExecuTorch files for other delegates than XNNPACK, one module each; each is a target of its own."""
