package org.evitmobile.core

import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** What the app needs of `golden/golden.json`, schema 1 (docs/golden.md). */
@Serializable
data class GoldenBundle(
    val schema: Int,
    val model: String,
    val input: InputEntry,
    val images: List<GoldenImage>,
    val artefacts: Map<String, GoldenArtefact>,
)

/**
 * One image, the input it must become, as a tensor and as 8-bit pixels (absent in older bundles), and the reference's logits
 * (num_classes). `label` is a class number.
 */
@Serializable
data class GoldenImage(
    val image: String,
    val sha256: String,
    val label: Int? = null,
    val tensor: String,
    @SerialName("tensor_sha256") val tensorSha256: String,
    val pixels: String? = null,
    @SerialName("pixels_sha256") val pixelsSha256: String = "",
    val reference: List<Float>,
)

/** Logits (probabilities, of an artefact that gives them) of an artefact's bytes on every image, (images, num_classes), and how far another runtime or CPU may be from them. */
@Serializable
data class GoldenArtefact(
    val sha256: String,
    val logits: List<List<Float>>,
    @SerialName("max_abs_error") val maxAbsError: Double,
)

/** The golden vectors of a model folder: every file's SHA-256 is checked when it is read. */
class Golden private constructor(val bundle: GoldenBundle, private val files: ModelFiles, private val folder: String) {
    /** The encoded PNG of an image. Throws [Failure]. */
    fun encoded(image: GoldenImage): ByteArray = files.readVerified("$folder/${image.image}", image.sha256)

    /** The (1, 3, height, width) input that an image must become, NCHW. Throws [Failure]. */
    fun tensor(image: GoldenImage): FloatArray {
        val bytes = files.readVerified("$folder/${image.tensor}", image.tensorSha256)
        val floats = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
        return FloatArray(floats.remaining()).also(floats::get)
    }

    /** The (height, width, 3) pixels that an image must become, null in an older bundle. Throws [Failure]. */
    fun pixels(image: GoldenImage): ByteArray? = image.pixels?.let { files.readVerified("$folder/$it", image.pixelsSha256) }

    companion object {
        /** Opens the bundle that [entry], the manifest's `golden`, names. Throws [Failure]. */
        fun open(files: ModelFiles, entry: GoldenEntry): Golden {
            val text = files.readVerified(entry.path, entry.sha256).decodeToString()
            return Golden(decode(GoldenBundle.serializer(), text, entry.path, GOLDEN_SCHEMA), files, entry.path.substringBeforeLast('/'))
        }
    }
}

/**
 * An artefact on this device against its golden vectors: [tensorError] is how far preprocessing is off, [logitError] how far the
 * logits, both the largest absolute difference; [top1] counts images of [images] with the same first class as the artefact gave in Python.
 */
@Serializable
data class GoldenCheck(
    val images: Int,
    val top1: Int,
    @SerialName("tensor_error") val tensorError: Double,
    @SerialName("logit_error") val logitError: Double,
    @SerialName("logit_limit") val logitLimit: Double,
) {
    val passed: Boolean get() = tensorError <= TENSOR_LIMIT && logitError <= logitLimit
}

/** Largest absolute difference. */
fun maxAbsError(found: FloatArray, expected: FloatArray): Double {
    require(found.size == expected.size) { "${found.size} values against ${expected.size}" }
    return found.indices.maxOf { abs(found[it].toDouble() - expected[it]) }
}

private const val GOLDEN_SCHEMA = 1
private const val TENSOR_LIMIT = 1e-5
