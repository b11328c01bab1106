/** Reads a folder that `evit-mobile convert` wrote, with `core`, the part of the Android demo that needs no Android. */

import java.io.File
import org.evitmobile.core.directory
import org.evitmobile.core.readManifest

fun main(arguments: Array<String>) {
    val manifest = readManifest(directory(File(arguments.single())))
    val (height, width) = manifest.input.crop.size
    println("${manifest.model.name}: ${manifest.model.numClasses} classes, images of $height x $width pixels")
    println("mean ${manifest.input.mean}, std ${manifest.input.std}")
    for (artefact in manifest.artefacts) {
        val objection = artefact.objection
        println("${artefact.path}: ${objection?.let { "${it.verdict.word}, ${it.reason}" } ?: "passed"}")
    }
}
