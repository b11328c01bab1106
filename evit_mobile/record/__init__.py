"""What a folder of artefacts says about itself: manifest.json, the plans beside it, and what earlier runs left. Imports no torch.

manifest   the types of manifest.json, the current schema
upgrade    manifests of older schemas
files      manifest.json on disk
plans      the int8 plans beside it
earlier    what earlier runs left in a folder
"""
