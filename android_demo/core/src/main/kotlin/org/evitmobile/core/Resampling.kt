package org.evitmobile.core

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.cos
import kotlin.math.max
import kotlin.math.min
import kotlin.math.sin
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/**
 * Pillow's filters. [support] is the filter's radius in pixels; when an image shrinks, it grows with the factor (antialiasing).
 * NEAREST has no weights.
 */
@Serializable
enum class Interpolation(internal val support: Double) {
    @SerialName("nearest")
    NEAREST(0.0),

    @SerialName("box")
    BOX(0.5),

    @SerialName("bilinear")
    BILINEAR(1.0),

    @SerialName("hamming")
    HAMMING(1.0),

    @SerialName("bicubic")
    BICUBIC(2.0),

    @SerialName("lanczos")
    LANCZOS(3.0),
    ;

    /** The weight of a pixel [distance] away from the centre, in pixels of the coarser of the two images. */
    internal fun weight(distance: Double): Double {
        val x = abs(distance)
        return when (this) {
            NEAREST -> error("nearest has no weights")
            BOX -> if (distance > -support && distance <= support) 1.0 else 0.0
            BILINEAR -> max(0.0, 1 - x)
            HAMMING -> if (x < support) sinc(x) * (HAMMING_MEAN + HAMMING_SWING * cos(PI * x)) else 0.0
            BICUBIC -> cubic(x)
            LANCZOS -> if (distance >= -support && distance < support) sinc(distance) * sinc(distance / support) else 0.0
        }
    }
}

/** Keys' cubic convolution (1981), with a = -0.5. */
private fun cubic(x: Double): Double =
    when {
        x < 1 -> ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
        x < 2 -> (((x - 5) * x + 8) * x - 4) * CUBIC
        else -> 0.0
    }

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(PI * x) / (PI * x)

/**
 * [image] resized to [height] x [width] exactly as Pillow 13 does it (src/libImaging/Resample.c): one pass along rows and one along
 * columns, each rounding to 8 bits, with weights in fixed point. Passes that keep the size are left out. Where the height shrinks by
 * more than twice what the width does, columns come first; Pillow up to 12 always began with rows.
 */
fun resize(image: RgbImage, height: Int, width: Int, interpolation: Interpolation): RgbImage {
    if (interpolation == Interpolation.NEAREST) return nearest(image, height, width)
    val alongRows = { it: RgbImage -> if (width == it.width) it else resizeRows(it, Taps(it.width, width, interpolation)) }
    val alongColumns = { it: RgbImage -> if (height == it.height) it else resizeColumns(it, Taps(it.height, height, interpolation)) }
    val shrinksInHeight = image.height - height > maxOf(0, (image.width - width) * 2)
    return if (shrinksInHeight) alongRows(alongColumns(image)) else alongColumns(alongRows(image))
}

/**
 * The source pixels and weights of every output position along one axis: output i is the sum over k of
 * weights[i * window + k] * source[first[i] + k], k < count[i]. Weights are integers with [FRACTION_BITS] binary places.
 */
private class Taps(source: Int, val size: Int, interpolation: Interpolation) {
    private val scale = source.toDouble() / size
    private val stretch = max(scale, 1.0)
    private val reach = interpolation.support * stretch
    val window = ceil(reach).toInt() * 2 + 1
    val first = IntArray(size)
    val count = IntArray(size)
    val weights = IntArray(size * window)

    init {
        val exact = DoubleArray(window)
        for (position in 0 until size) {
            val center = (position + 0.5) * scale
            first[position] = max(0, (center - reach + 0.5).toInt())
            count[position] = min(source, (center + reach + 0.5).toInt()) - first[position]
            var sum = 0.0
            for (tap in 0 until count[position]) {
                exact[tap] = interpolation.weight((first[position] + tap - center + 0.5) * (1.0 / stretch))
                sum += exact[tap]
            }
            val total = if (sum != 0.0) sum else 1.0
            for (tap in 0 until count[position]) weights[position * window + tap] = fixedPoint(exact[tap] / total)
        }
    }
}

private fun fixedPoint(weight: Double): Int = (weight * (1 shl FRACTION_BITS) + if (weight < 0) -0.5 else 0.5).toInt()

/** (height, width, 3) -> (height, taps.size, 3). */
private fun resizeRows(image: RgbImage, taps: Taps): RgbImage {
    val pixels = ByteArray(image.height * taps.size * CHANNELS)
    for (row in 0 until image.height) {
        for (column in 0 until taps.size) {
            val source = (row * image.width + taps.first[column]) * CHANNELS
            accumulate(image.pixels, source, CHANNELS, taps, column, pixels, (row * taps.size + column) * CHANNELS)
        }
    }
    return RgbImage(image.height, taps.size, pixels)
}

/** (height, width, 3) -> (taps.size, width, 3). */
private fun resizeColumns(image: RgbImage, taps: Taps): RgbImage {
    val pixels = ByteArray(taps.size * image.width * CHANNELS)
    val stride = image.width * CHANNELS
    for (row in 0 until taps.size) {
        for (column in 0 until image.width) {
            val source = taps.first[row] * stride + column * CHANNELS
            accumulate(image.pixels, source, stride, taps, row, pixels, row * stride + column * CHANNELS)
        }
    }
    return RgbImage(taps.size, image.width, pixels)
}

/** The weighted sum of one output pixel's taps, [stride] bytes apart from [source] on, rounded and clipped to 8 bits. */
private fun accumulate(from: ByteArray, source: Int, stride: Int, taps: Taps, position: Int, to: ByteArray, target: Int) {
    for (channel in 0 until CHANNELS) {
        var sum = 1 shl (FRACTION_BITS - 1)
        var index = source + channel
        for (tap in position * taps.window until position * taps.window + taps.count[position]) {
            sum += (from[index].toInt() and 0xFF) * taps.weights[tap]
            index += stride
        }
        to[target + channel] = (sum shr FRACTION_BITS).coerceIn(0, 255).toByte()
    }
}

/** Pillow's nearest neighbour (src/libImaging/Geometry.c at 11.0): positions are sums of steps, not products. */
private fun nearest(image: RgbImage, height: Int, width: Int): RgbImage {
    val rows = nearestPositions(image.height, height)
    val columns = nearestPositions(image.width, width)
    val pixels = ByteArray(height * width * CHANNELS)
    var target = 0
    for (row in rows) {
        for (column in columns) {
            val source = (row * image.width + column) * CHANNELS
            repeat(CHANNELS) { pixels[target++] = image.pixels[source + it] }
        }
    }
    return RgbImage(height, width, pixels)
}

private fun nearestPositions(source: Int, size: Int): IntArray {
    val step = source.toDouble() / size
    var position = step * 0.5
    return IntArray(size) { position.toInt().also { position += step } }
}

private const val CUBIC = -0.5

/** Hamming's window; Pillow has these two in single precision. */
private val HAMMING_MEAN = 0.54f.toDouble()
private val HAMMING_SWING = 0.46f.toDouble()

/** 8 bits of pixel, 2 of headroom for overshooting weights, the rest of 32 for the fraction. */
private const val FRACTION_BITS = 32 - 8 - 2
