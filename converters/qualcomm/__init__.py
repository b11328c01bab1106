"""Qualcomm's NPU: which SoCs there are, where its libraries lie, and the emulator that executes compiled binaries. Knows no format."""
