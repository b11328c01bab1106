package org.evitmobile.inference

import org.evitmobile.core.Golden
import org.evitmobile.core.GoldenCheck
import org.evitmobile.core.RgbImage
import org.evitmobile.core.demand
import org.evitmobile.core.demandFinite
import org.evitmobile.core.maxAbsError
import org.evitmobile.core.topK

/** Runs all golden images. [decode] turns an encoded PNG into an image. Throws [org.evitmobile.core.Failure]. */
fun checkGolden(classifier: Classifier, golden: Golden, decode: (ByteArray) -> RgbImage): GoldenCheck {
    val (bundle, artefact) = golden.bundle to classifier.artefact
    val expected = bundle.artefacts[artefact.path]
    demand(expected?.sha256 == artefact.sha256, "golden vectors without ${artefact.path}", "those of this artefact's bytes")
    var (top1, tensorError, logitError) = Triple(0, 0.0, 0.0)
    bundle.images.forEachIndexed { index, image ->
        val tensor = classifier.input(decode(golden.encoded(image)))
        tensorError = maxOf(tensorError, maxAbsError(tensor, golden.tensor(image)))
        val logits = classifier.logits(tensor).also(::demandFinite)
        val proven = expected!!.logits[index].toFloatArray()
        logitError = maxOf(logitError, maxAbsError(logits, proven))
        if (topK(logits, 1) == topK(proven, 1)) top1++
    }
    return GoldenCheck(bundle.images.size, top1, tensorError, logitError, expected!!.maxAbsError)
}
