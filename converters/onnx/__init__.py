"""ONNX files: fp32, fp16 weights, and int8 as quantize/dequantize pairs, run by ONNX Runtime."""
