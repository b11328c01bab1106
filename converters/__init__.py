"""Lowers an exported PyTorch program to the file formats of phone runtimes. Knows nothing of EfficientViT."""
