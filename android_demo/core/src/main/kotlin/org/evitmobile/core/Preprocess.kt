package org.evitmobile.core

/**
 * Image -> network input, the same numbers as `calib.preprocess.Preprocess` in Python:
 * resize (COVER or SQUASH), centre crop, (v / 255 - mean) / std in float64, rounded once to float32.
 */
class Preprocess(private val input: InputEntry) {
    private val height = input.crop.size[0]
    private val width = input.crop.size[1]

    /** For every channel, the float that each of the 256 values becomes. */
    private val tables = Array(CHANNELS) { channel ->
        FloatArray(256) { value -> ((value / 255.0 - input.mean[channel]) / input.std[channel]).toFloat() }
    }

    /** The (1, 3, height, width) input of [image], NCHW. Throws [Failure] for an image that would become too large. */
    operator fun invoke(image: RgbImage): FloatArray = normalise(crop(image))

    /** What a network with this input [entry] takes of [image]. Throws [Failure] likewise. */
    fun inputOf(image: RgbImage, entry: TensorEntry): NetworkInput =
        if (entry.isImage) NetworkInput.Pixels(pixels(image)) else NetworkInput.Tensor(invoke(image))

    /** The 8-bit image (height, width, 3) before it is normalised. Throws [Failure] likewise. */
    fun pixels(image: RgbImage): ByteArray = crop(image).pixels

    private fun crop(image: RgbImage): RgbImage {
        val (resizedHeight, resizedWidth) = resizedSize(image.height, image.width)
        val affordable = resizedHeight.toLong() * resizedWidth <= LARGEST_RESIZED_PIXELS
        demand(affordable, "an image of ${image.width}x${image.height} pixels", "a less elongated one") { "crop the image" }
        val resized = resize(image, resizedHeight, resizedWidth, input.interpolation)
        val (top, left) = offset(resizedHeight, height) to offset(resizedWidth, width)
        val pixels = ByteArray(height * width * CHANNELS)
        for (row in 0 until height) {
            val source = ((top + row) * resizedWidth + left) * CHANNELS
            resized.pixels.copyInto(pixels, row * width * CHANNELS, source, source + width * CHANNELS)
        }
        return RgbImage(height, width, pixels)
    }

    /** (height, width) after resizing. COVER: the axis that must grow most gets the box's side, the other is rounded down. */
    private fun resizedSize(imageHeight: Int, imageWidth: Int): Pair<Int, Int> {
        val (boxHeight, boxWidth) = input.resize.size
        return when {
            input.resize.mode == ResizeMode.SQUASH -> boxHeight to boxWidth
            boxHeight.toLong() * imageWidth >= boxWidth.toLong() * imageHeight ->
                boxHeight to (boxHeight.toLong() * imageWidth / imageHeight).toInt()
            else -> (boxWidth.toLong() * imageHeight / imageWidth).toInt() to boxWidth
        }
    }

    private fun normalise(image: RgbImage): FloatArray {
        val area = height * width
        return FloatArray(CHANNELS * area) { index ->
            val (channel, pixel) = index / area to index % area
            tables[channel][image.pixels[pixel * CHANNELS + channel].toInt() and 0xFF]
        }
    }
}

/** Half of the margin, halves rounded to the even number as Python's round does. */
private fun offset(resized: Int, cropped: Int): Int = Math.rint((resized - cropped) / 2.0).toInt()

/** As in Python: a strip of 1 x 10,000 pixels that has to cover a square would need gigabytes. */
private const val LARGEST_RESIZED_PIXELS = 1L shl 27
