package org.evitmobile.core

import kotlin.math.exp

/** A class and the share of probability that softmax gives it, 0..1. */
data class Prediction(val label: String, val probability: Double)

/** Softmax of logits, in float64, safe against overflow. */
fun softmax(logits: FloatArray): DoubleArray {
    val largest = logits.max().toDouble()
    val powers = DoubleArray(logits.size) { exp(logits[it] - largest) }
    val sum = powers.sum()
    return DoubleArray(logits.size) { powers[it] / sum }
}

/** Positions of the [count] largest values, largest first; of equals the earlier one. */
fun topK(values: FloatArray, count: Int): List<Int> = values.indices.sortedByDescending { values[it] }.take(count)

/** Throws [Failure] for logits that are no numbers, as of arithmetic that overflowed. */
fun demandFinite(logits: FloatArray) =
    demand(logits.all(Float::isFinite), "logits that are not finite", "numbers") { "try the CPU, or an artefact of another precision" }

/**
 * The [count] most probable classes of logits, or of [probabilities]; those without labels are called by their number. Throws [Failure]
 * for what is no number.
 */
fun predictions(values: FloatArray, labels: List<String>, count: Int, probabilities: Boolean = false): List<Prediction> {
    demandFinite(values)
    val shares = if (probabilities) DoubleArray(values.size) { values[it].toDouble() } else softmax(values)
    return topK(values, count).map { Prediction(labels.getOrElse(it) { _ -> "class $it" }, shares[it]) }
}
