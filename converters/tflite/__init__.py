"""LiteRT, formerly TensorFlow Lite (.tflite)."""
