package org.evitmobile.inference

import org.evitmobile.core.ArtefactEntry
import org.evitmobile.core.Manifest
import org.evitmobile.core.NetworkInput
import org.evitmobile.core.Prediction
import org.evitmobile.core.Preprocess
import org.evitmobile.core.RgbImage
import org.evitmobile.core.demand
import org.evitmobile.core.predictions

/** The most probable classes, and what preprocessing and inference took in milliseconds. */
data class Classification(val predictions: List<Prediction>, val preprocessMs: Double, val inferenceMs: Double)

/** An image classifier: preprocessing, an engine, and names for its logits. It owns the engine. Not thread-safe. */
class Classifier(
    private val manifest: Manifest,
    val artefact: ArtefactEntry,
    val runtime: String,
    private val opened: Opened,
) : AutoCloseable {
    private val preprocess = Preprocess(manifest.input)

    val accelerator: Accelerator get() = opened.accelerator

    /** What the user should know: a fallback, or an artefact that was not proven. */
    val notices: List<String> = opened.notices + listOfNotNull(unproven(artefact))

    /** Throws [org.evitmobile.core.Failure]. */
    fun classify(image: RgbImage, count: Int = SHOWN): Classification {
        val start = System.nanoTime()
        val input = input(image)
        val ready = System.nanoTime()
        val logits = logits(input)
        val end = System.nanoTime()
        val found = predictions(logits, manifest.labels, count, artefact.output.isProbabilities)
        return Classification(found, (ready - start) / 1e6, (end - ready) / 1e6)
    }

    /** The network's input for an image. Throws [org.evitmobile.core.Failure]. */
    fun input(image: RgbImage): NetworkInput = preprocess.inputOf(image, artefact.input)

    /** Logits, or the artefact's probabilities (num_classes), of a prepared image. Throws [org.evitmobile.core.Failure]. */
    fun logits(input: NetworkInput): FloatArray {
        val (logits, expected) = opened.engine.run(input) to manifest.model.numClasses
        demand(logits.size == expected, "${logits.size} logits of ${artefact.path}", "$expected, as its manifest says")
        return logits
    }

    override fun close() = opened.engine.close()
}

private fun unproven(artefact: ArtefactEntry): String? =
    artefact.objection?.let { "${artefact.path} is not proven: ${it.verdict.word}, ${it.reason}." }

private const val SHOWN = 3
