package org.evitmobile.core

/** What a network takes: a preprocessed tensor, or, where its file normalises, the resized and cropped 8-bit image. */
sealed interface NetworkInput {
    /** (1, 3, height, width), NCHW. */
    class Tensor(val values: FloatArray) : NetworkInput

    /** (height, width, 3), R, G, B, unsigned. */
    class Pixels(val bytes: ByteArray) : NetworkInput
}

/**
 * An NCHW image as the artefact's input [entry] stores it: (1, 3, height, width) as it is, NHWC as (1, height, width, 3).
 */
fun arrange(nchw: FloatArray, entry: TensorEntry): FloatArray {
    if (entry.layout != "NHWC") return nchw
    val area = nchw.size / CHANNELS
    return FloatArray(nchw.size) { index -> nchw[index % CHANNELS * area + index / CHANNELS] }
}

/** Floats as int8 of the tensor's scale and zero point, rounded half to even and clipped; what evit-mobile's runtime does. */
fun quantize(values: FloatArray, entry: TensorEntry): ByteArray {
    val (scale, zeroPoint) = entry.quantization()
    return ByteArray(values.size) { index ->
        (Math.rint((values[index] / scale).toDouble()).toInt() + zeroPoint).coerceIn(-128, 127).toByte()
    }
}

/** The floats that int8 or uint8 [values] of this tensor stand for. */
fun dequantize(values: ByteArray, entry: TensorEntry): FloatArray {
    val (scale, zeroPoint) = entry.quantization()
    return FloatArray(values.size) { index ->
        val value = if (entry.dtype == UINT8) values[index].toInt() and 0xFF else values[index].toInt()
        (value - zeroPoint) * scale
    }
}

private fun TensorEntry.quantization(): Pair<Float, Int> {
    demand(scale != null && zeroPoint != null, "$dtype tensor $name without scale", "a scale and a zero point")
    return scale!!.toFloat() to zeroPoint!!
}
