package org.evitmobile.core

import java.nio.ByteBuffer

/** Colour channels of every image and every network input. */
const val CHANNELS = 3

/** An upright 8-bit image: [pixels] is (height, width, 3), R, G, B, unsigned, in sRGB as it was stored. */
class RgbImage(val height: Int, val width: Int, val pixels: ByteArray) {
    init {
        require(height > 0 && width > 0 && pixels.size == height * width * CHANNELS) { "$height x $width with ${pixels.size} bytes" }
    }

    /** The image of [argb], one 0xAARRGGBB per pixel in rows. Alpha is dropped, not blended, as in evit-mobile. */
    constructor(height: Int, width: Int, argb: IntArray) : this(height, width, rgbOf(argb))
}

private fun rgbOf(argb: IntArray): ByteArray {
    val pixels = ByteArray(argb.size * CHANNELS)
    argb.forEachIndexed { index, value ->
        pixels[index * CHANNELS] = (value shr 16).toByte()
        pixels[index * CHANNELS + 1] = (value shr 8).toByte()
        pixels[index * CHANNELS + 2] = value.toByte()
    }
    return pixels
}

/** A quarter turn of the camera's frame, clockwise, that makes it upright. */
enum class Rotation(val degrees: Int) {
    NONE(0),
    QUARTER(90),
    HALF(180),
    THREE_QUARTERS(270);

    companion object {
        /** The rotation of this many degrees; throws [IllegalArgumentException] for other than quarter turns. */
        fun of(degrees: Int): Rotation = requireNotNull(entries.find { it.degrees == degrees }) { "a turn by $degrees degrees" }
    }
}

/**
 * An upright image from a camera's RGBA_8888 plane of [height] x [width] pixels, whose rows start [rowStride] bytes apart.
 * [rotation] is how far the frame must be turned clockwise. Alpha is dropped.
 */
fun uprightFromRgba(plane: ByteBuffer, height: Int, width: Int, rowStride: Int, rotation: Rotation): RgbImage {
    val turned = rotation == Rotation.QUARTER || rotation == Rotation.THREE_QUARTERS
    val (uprightHeight, uprightWidth) = if (turned) width to height else height to width
    val pixels = ByteArray(height * width * CHANNELS)
    var target = 0
    for (row in 0 until uprightHeight) {
        for (column in 0 until uprightWidth) {
            val source = when (rotation) {
                Rotation.NONE -> row * rowStride + column * RGBA_BYTES
                Rotation.QUARTER -> (height - 1 - column) * rowStride + row * RGBA_BYTES
                Rotation.HALF -> (height - 1 - row) * rowStride + (width - 1 - column) * RGBA_BYTES
                Rotation.THREE_QUARTERS -> column * rowStride + (width - 1 - row) * RGBA_BYTES
            }
            repeat(CHANNELS) { pixels[target++] = plane.get(source + it) }
        }
    }
    return RgbImage(uprightHeight, uprightWidth, pixels)
}

private const val RGBA_BYTES = 4
