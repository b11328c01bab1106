package org.evitmobile.core

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** What the app needs of `manifest.json`, schema 2 (docs/manifest.md). Other fields may join and are skipped. */
@Serializable
data class Manifest(
    val schema: Int,
    val model: ModelEntry,
    val input: InputEntry,
    val labels: List<String>,
    val artefacts: List<ArtefactEntry>,
    val golden: GoldenEntry? = null,
)

/** Where the golden bundle lies, relative to the folder. */
@Serializable
data class GoldenEntry(val path: String, val sha256: String)

@Serializable
data class ModelEntry(
    val name: String,
    val task: String = CLASSIFICATION,
    @SerialName("num_classes") val numClasses: Int,
)

/** How an image becomes the network's input. Sizes are (height, width) in pixels; mean and std are on the 0..1 scale. */
@Serializable
data class InputEntry(
    val shape: List<Int>,
    val resize: ResizeEntry,
    val crop: CropEntry,
    val interpolation: Interpolation,
    val mean: List<Double>,
    val std: List<Double>,
    val color: String,
)

@Serializable
data class ResizeEntry(val mode: ResizeMode, val size: List<Int>)

@Serializable
data class CropEntry(val mode: String, val size: List<Int>)

/** COVER keeps the aspect ratio: the smallest size that covers the box. SQUASH resizes to the box exactly. */
@Serializable
enum class ResizeMode {
    @SerialName("cover")
    COVER,

    @SerialName("squash")
    SQUASH,
}

/**
 * One written file. `validations` are what its judges said on the machine that converted it, at least one; `soc` is the chip that it is
 * compiled for, null for files that run on any phone.
 */
@Serializable
data class ArtefactEntry(
    val format: String,
    val precision: String,
    val path: String,
    val sha256: String,
    val inputs: List<TensorEntry>,
    val outputs: List<TensorEntry>,
    val validations: List<ValidationEntry>,
    val soc: String? = null,
) {
    /** The format that a runtime opens: that of a file for one chip is called after both. */
    val opens: String get() = if (soc == null) format else format.removeSuffix("-${soc.lowercase()}")

    /** What keeps the file from being proven: a judge that failed it, else one that did not run it; null where every judge passed it. */
    val objection: ValidationEntry?
        get() = validations.firstOrNull { it.verdict == Verdict.FAILED } ?: validations.firstOrNull { it.verdict != Verdict.PASSED }

    /** The image tensor; [checkArtefact] makes sure that it is the only one. */
    val input: TensorEntry get() = inputs.single()

    /** The logits, or the probabilities that the file makes of them. */
    val output: TensorEntry get() = outputs.single()
}

/** A tensor of an artefact. `scale` and `zeroPoint` are those of integers, null for floats. */
@Serializable
data class TensorEntry(
    val name: String,
    val shape: List<Int>,
    val dtype: String,
    val layout: String? = null,
    val scale: Double? = null,
    @SerialName("zero_point") val zeroPoint: Int? = null,
) {
    val isFloat: Boolean get() = dtype == "float32"

    /** Of an input: an image of 8 bits a channel, (1, height, width, 3), which the file normalises itself. */
    val isImage: Boolean get() = dtype == UINT8

    /** Of an output: probabilities, where others are logits. */
    val isProbabilities: Boolean get() = name == "probabilities"
}

/** What one judge said of a file. */
@Serializable
data class ValidationEntry(val verdict: Verdict, val reason: String)

@Serializable
enum class Verdict(val word: String) {
    @SerialName("passed")
    PASSED("passed"),

    @SerialName("failed")
    FAILED("failed"),

    @SerialName("not_run")
    NOT_RUN("not run"),
}

const val CLASSIFICATION = "classification"
const val UINT8 = "uint8"
