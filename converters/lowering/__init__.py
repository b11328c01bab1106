"""From an exported program towards a runtime's graph: what the formats with an XNNPACK-like graph (tflite, executorch) share.

And what Core ML and Core AI share: palettes of weights.
"""
