package org.evitmobile.inference

import org.evitmobile.core.Golden
import org.evitmobile.core.GoldenCheck
import org.evitmobile.core.GoldenImage
import org.evitmobile.core.Preprocess
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
    val preprocess = Preprocess(bundle.input)
    var (top1, tensorError, logitError) = Triple(0, 0.0, 0.0)
    bundle.images.forEachIndexed { index, item ->
        val image = decode(golden.encoded(item))
        tensorError = maxOf(tensorError, maxAbsError(preprocess(image), golden.tensor(item)))
        demandPixels(preprocess.pixels(image), golden, item)
        val logits = classifier.logits(classifier.input(image)).also(::demandFinite)
        val proven = expected!!.logits[index].toFloatArray()
        logitError = maxOf(logitError, maxAbsError(logits, proven))
        if (topK(logits, 1) == topK(proven, 1)) top1++
    }
    return GoldenCheck(bundle.images.size, top1, tensorError, logitError, expected!!.maxAbsError)
}

/** Throws [org.evitmobile.core.Failure] for pixels that are not the bundle's; older bundles have none. */
private fun demandPixels(found: ByteArray, golden: Golden, item: GoldenImage) {
    val expected = golden.pixels(item) ?: return
    demand(found.contentEquals(expected), "other pixels than ${item.pixels}", "those that Python makes of ${item.image}")
}
